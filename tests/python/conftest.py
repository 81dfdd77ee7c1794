"""Every test runs against the installed wheel, most of them on three nodes of the test's own process."""

import os
import pathlib
import shutil
import signal
import sys

import pytest

# A shell starts what runs in the background with this signal ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "live"))

pytest_plugins = ["quorlite.testing"]


@pytest.fixture
def db(quorlite_db):
    """A connection to an empty database, on three nodes."""
    return quorlite_db


@pytest.fixture
def other(db):
    """A second connection to the same database."""
    again = db.cluster.connect(db.database)
    yield again
    again.close()


@pytest.fixture
def run_folder():
    """A folder on a real disk for servers' data."""
    folder = pathlib.Path(os.environ.get("QUORLITE_TEST_DATA", ROOT / "run")) / "python"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)
