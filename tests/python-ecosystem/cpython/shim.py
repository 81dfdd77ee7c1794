"""The module `sqlite3` as CPython's tests import it: `quorlite`, with databases on a node instead of in files.

Only what cannot be meant for a client is done here. ``:memory:`` is an empty database of its own. Other
paths are files, so that tests may look whether they exist and remove them; each file holds the name of a
database.
"""

import itertools
import os
import pathlib

import quorlite
from quorlite import OperationalError

cluster = None  # set by run.py
version = "2.6.0"  # of an interface that is no more
_numbers = itertools.count(1)


def connect(
    database,
    timeout=5.0,
    detect_types=0,
    isolation_level="",
    check_same_thread=True,
    factory=quorlite.Connection,
    cached_statements=128,
    uri=False,
):
    return quorlite.connect(
        cluster,
        _name(database),
        detect_types=detect_types,
        isolation_level=isolation_level,
        factory=factory,
    )


def _name(database):
    if database == ":memory:":
        return f"memory{next(_numbers)}"
    path = pathlib.Path(os.fsdecode(database))
    try:
        if not path.exists():
            path.write_text(f"file{next(_numbers)}")
        return path.read_text()
    except OSError as error:
        raise OperationalError("unable to open database file") from error


def __getattr__(name):
    return getattr(quorlite, name)
