"""CPython's own tests of `sqlite3`, on `quorlite`: run.py FOLDER [TEST...]

FOLDER is where ./fetch has put them. The tests that known_failures.txt lists, each under its reason,
must fail; all others must pass.
"""

import fnmatch
import importlib
import os
import pathlib
import sys
import tempfile
import traceback
import unittest

import shim
from quorlite.testing import TestCluster

KNOWN = pathlib.Path(__file__).with_name("known_failures.txt")
PACKAGE = "test.test_sqlite3"


class Result(unittest.TestResult):
    """What became of each test, by its name."""

    def __init__(self):
        super().__init__()
        self.passed, self.failed = set(), {}

    def addSuccess(self, test):
        self.passed.add(name_of(test))

    def addError(self, test, error):
        self._fail(test, error)

    def addFailure(self, test, error):
        self._fail(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._fail(test, error)

    def _fail(self, test, error):
        self.failed[name_of(test)] = "".join(traceback.format_exception(*error))


def name_of(test):
    return test.id().removeprefix(PACKAGE + ".")


def load(folder, names):
    for name in [each for each in sys.modules if each.split(".")[0] == "test"]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    sys.modules["sqlite3"] = shim
    threading_helper = importlib.import_module("test.support.threading_helper")
    # It would wait for threads that the frames of a failed test keep.
    threading_helper.threading_cleanup = lambda *counts: None
    modules = sorted(each.stem for each in pathlib.Path(folder, "test/test_sqlite3").glob("test_*.py"))
    return unittest.TestLoader().loadTestsFromNames([f"{PACKAGE}.{name}" for name in names or modules])


def judge(result, known):
    """Prints what is not as known_failures.txt says, and the counts; returns whether all is."""
    unexpected = [name for name in result.failed if not matches(name, known)]
    for name in unexpected:
        print(f"FAILED {name}\n{result.failed[name]}")
    cured = [name for name in sorted(result.passed - set(result.failed)) if matches(name, known)]
    for name in cured:
        print(f"PASSED {name}, which {KNOWN.name} lists: take it out there")
    print(
        f"{len(result.passed - set(result.failed))} passed, {len(unexpected)} failed, {len(result.skipped)} skipped: "
        f"CPython's tests of sqlite3; {len(result.failed) - len(unexpected)} more are known to fail"
    )
    return not unexpected and not cured


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def main(folder, *names):
    lines = KNOWN.read_text(encoding="utf-8").splitlines()
    known = [line for line in lines if line and not line.startswith("#")]
    suite = load(folder, names)
    with TestCluster(1) as nodes, tempfile.TemporaryDirectory() as elsewhere:
        shim.cluster = nodes.cluster(busy_timeout=0.5)
        os.chdir(elsewhere)  # there they make files
        result = suite.run(Result())
    sys.exit(0 if judge(result, known) else 1)


main(*sys.argv[1:])
