"""Django's own tests on `quorlite.django`: run.py FOLDER [LABEL...]

FOLDER is where ../run has put Django's source. Those that known_failures.txt lists, each below its reason,
must fail; all others must pass. On one node: what replication does has its own tests.
"""

import os
import pathlib
import re
import subprocess
import sys

from quorlite.testing import TestCluster

HERE = pathlib.Path(__file__).resolve().parent
LABELS = HERE / "labels.txt"


def run(folder, labels, target):
    """Runs them; returns how the run ended, and what it printed."""
    command = [sys.executable, "runtests.py", "--settings=settings", "--parallel=1", *labels]
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    tests = subprocess.run(
        command, cwd=pathlib.Path(folder) / "tests", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={**os.environ, "PYTHONPATH": path, "QUORLITE_TARGET": target},
    )  # fmt: skip
    return tests.returncode, tests.stdout


def counts(output):
    """What unittest's last line says: how many ended in which way."""
    tests = int(re.search(r"^Ran (\d+) tests?", output, re.MULTILINE).group(1))
    ended = re.search(r"^(?:OK|FAILED)(?: \((.*)\))?$", output, re.MULTILINE).group(1) or ""
    named = dict(each.split("=") for each in ended.split(", ") if each)
    skipped, known = (int(named.get(name, 0)) for name in ("skipped", "expected failures"))
    failed = sum(int(named.get(name, 0)) for name in ("failures", "errors", "unexpected successes"))
    return tests - skipped - known - failed, failed, skipped, known


def main(folder, *labels):
    with TestCluster(1) as cluster:
        ended, output = run(folder, labels or LABELS.read_text().split(), cluster.addresses[0])
    if ended != 0:
        print(output)
    passed, failed, skipped, known = counts(output)
    print(f"{passed} passed, {failed} failed, {skipped} skipped: Django's tests; {known} more are known to fail")
    sys.exit(ended)


main(*sys.argv[1:])
