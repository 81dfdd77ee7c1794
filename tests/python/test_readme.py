"""The examples of the guide: every block of Python in python/README.md is run."""

import pathlib
import re
import subprocess
import sys

import pytest

from quorlite.testing import free_addresses

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "python" / "README.md"
EXAMPLES = re.findall(r"^## (.*?)$|^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def examples():
    heading = ""
    for title, code in EXAMPLES:
        heading = title or heading
        if code:
            yield pytest.param(code, id=heading)


@pytest.mark.parametrize("code", list(examples()))
def test_example(code, quorlite_cluster, tmp_path):
    names = ["node1:9001", "node2:9001", "node3:9001"]
    for name, address in zip(names, quorlite_cluster.addresses):
        code = code.replace(name, address)
    for port, address in zip((9001, 9002, 9003), free_addresses(3)):
        code = code.replace(f"127.0.0.1:{port}", address)
    script = tmp_path / "example.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, "-W", "error", script], cwd=tmp_path, timeout=60,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_there_are_examples():
    assert len(list(examples())) >= 5
