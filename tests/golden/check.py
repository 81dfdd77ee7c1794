#!/usr/bin/env python3
"""Opens the golden directories of earlier versions with a binary: every row is there, on every node, and stays.

Usage: tests/golden/check.py [--binary QUORLITED] [--directory DIR] [SET...]      VERSION/NAME; all sets if none is named

A set is unpacked and started with nothing but `--dir`; its questions are answered as its own version answered them, by the
leader and from each node's own copy. It takes new rows, is stopped, started again, and asked again.
"""

import argparse
import pathlib
import shutil
import sqlite3
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import golden  # noqa: E402
from cluster import Connection, Failure, InDoubt, Unreachable  # noqa: E402

PATIENCE = 60
NEW = "SELECT count(*), sum(a) FROM written_later"


def ask(running, databases):
    for name, questions in databases.items():
        for sql, rows in questions:
            answer = running.query(name, sql)
            assert answer == rows, f"{name}: {sql}: {answer} where {rows} is right"


def own_copy(node, name, path):
    """What the node itself has of a database, as SQLite opens it."""
    path.unlink(missing_ok=True)
    connection = Connection(node.address, timeout=PATIENCE)
    try:
        connection.dump(name, path)
    finally:
        connection.close()
    return sqlite3.connect(path)


def differs(node, databases, scratch):
    """The first question that this node's copy answers otherwise; None if there is none."""
    for name, questions in databases.items():
        if questions[0][1] == [[0]] and "sqlite_schema" in questions[0][0]:
            continue  # nothing is in it: a node need not have a file of it
        try:
            copy = own_copy(node, name, scratch)
            for sql, rows in questions:
                answer = [list(row) for row in copy.execute(sql)]
                if answer != rows:
                    return f"{node.directory.name}, {name}: {sql}: {answer} where {rows} is right"
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)], f"{node.directory.name}, {name}"
            copy.close()
        except (Failure, InDoubt, Unreachable, sqlite3.Error) as error:
            return f"{node.directory.name}, {name}: {error}"
    return None


def every_copy(running, databases, scratch):
    """Followers may need a moment, or a snapshot, to have all of it."""
    deadline = time.monotonic() + PATIENCE
    for node in running.nodes:
        while (difference := differs(node, databases, scratch)) is not None:
            assert time.monotonic() < deadline, f"{difference}\n{running.logs()}"
            time.sleep(0.1)


def write(running, databases):
    for name in databases:
        connection = running.leader().open(name)
        connection.execute("CREATE TABLE written_later(a)")
        for value in range(10):
            connection.execute("INSERT INTO written_later VALUES (?)", value)
        connection.close()


def check(archive, description, names, binary, directory):
    golden.unpack(archive, directory)
    addresses = {name: description["nodes"][name] for name in names}
    databases = description["databases"]
    scratch = directory / "copy.db"
    with golden.Running(binary, directory, addresses) as running:
        ask(running, databases)
        deadline = time.monotonic() + PATIENCE
        while len(running.leader().members()) != description["members"]:
            assert time.monotonic() < deadline, f"{running.leader().members()}\n{running.logs()}"
            time.sleep(0.1)
        every_copy(running, databases, scratch)
        write(running, databases)
        running.stop()
    grown = {name: [*questions, [NEW, [[10, 45]]]] for name, questions in databases.items()}
    # The empty one has a table by now.
    grown = {name: [question for question in questions if "sqlite_schema" not in question[0]]
             for name, questions in grown.items()}
    with golden.Running(binary, directory, addresses) as running:
        ask(running, grown)
        every_copy(running, grown, scratch)
        running.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET")
    parser.add_argument("--directory", type=pathlib.Path, default=golden.HERE.parents[1] / "build/golden")
    golden.binary_argument(parser)
    arguments = parser.parse_intermixed_args()
    known = {f"{path.parent.name}/{path.name.split('.tar')[0]}": path for path in sorted(golden.HERE.glob("*/*.tar.xz"))}
    unknown = set(arguments.sets) - set(known)
    if unknown or not known:
        parser.error(f"no such set: {', '.join(unknown)}; there are {', '.join(known)}")
    failed = 0
    with golden.alone():
        for name in arguments.sets or known:
            description = golden.load(known[name].with_name(f"{name.split('/')[1]}.json"))
            for names in description["runs"]:
                began = time.monotonic()
                title = f"{name} ({', '.join(names)})"
                try:
                    check(known[name], description, names, arguments.binary, arguments.directory)
                    print(f"passed {title} in {time.monotonic() - began:.1f} s", flush=True)
                except Exception:
                    failed += 1
                    print(f"FAILED {title}\n{traceback.format_exc()}", flush=True)
    shutil.rmtree(arguments.directory, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
