"""The example programs say what those of the same names say in C++ and Go."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["people", "accounts", "parallel"])
def test_example(name, quorlite_cluster):
    program = [sys.executable, "-W", "error", ROOT / "python" / "examples" / f"{name}.py"]
    target = ",".join(quorlite_cluster.addresses) + "/example"
    for _ in range(2):  # the tables are there the second time
        done = subprocess.run([*program, target], timeout=60, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == (ROOT / "tests" / "examples" / f"{name}.txt").read_text()
    assert "usage:" in subprocess.run(program, timeout=60, capture_output=True, text=True).stderr
