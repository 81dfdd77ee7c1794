"""Whole databases: as SQL, to a file of SQLite, and from one."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from quorlite._errors import DatabaseError, ProgrammingError

if TYPE_CHECKING:
    from quorlite import _core
    from quorlite._connection import Connection

# Rows of an imported file that are inserted at a time.
_ROWS_MAX = 10_000


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "9e999" if value > 0 else "-9e999"
    return repr(value)


def _stored_columns(db: Union[Connection, sqlite3.Connection], table: str) -> list[str]:
    """Neither generated nor hidden."""
    rows = db.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
    return [row[1] for row in rows if row[6] == 0]


def iterdump(db: Connection) -> Iterator[str]:
    """The statements that make the database again, as `sqlite3.Connection.iterdump` gives them."""
    yield "BEGIN TRANSACTION;"
    schema = db.execute(
        "SELECT name, type, sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%'"
        " ORDER BY type = 'table' DESC, rowid"
    ).fetchall()
    for name, kind, sql in schema:
        if kind == "table":
            yield f"{sql};"
            if not sql.lstrip()[:20].upper().startswith("CREATE VIRTUAL"):
                columns = ", ".join(map(quoted, _stored_columns(db, name)))
                for row in db.execute(f"SELECT {columns} FROM {quoted(name)}"):
                    values = ", ".join(map(_literal, row))
                    yield f"INSERT INTO {quoted(name)}({columns}) VALUES({values});"
    sequences = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone()
    if sequences:
        yield "DELETE FROM sqlite_sequence;"
        for name, number in db.execute("SELECT name, seq FROM sqlite_sequence"):
            yield f"INSERT INTO sqlite_sequence VALUES({_literal(name)},{_literal(number)});"
    for _, kind, sql in schema:
        if kind != "table":
            yield f"{sql};"
    yield "COMMIT;"


def backup(
    core: _core.Cluster,
    database: str,
    target: Union[str, os.PathLike[str], sqlite3.Connection],
    node: str = "",
) -> None:
    """A copy of the database, as one file of SQLite or in a connection of `sqlite3`.

    :param node: The address of the node that gives it; the leader if there is none.
    """
    if isinstance(target, sqlite3.Connection):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "copy"
            backup(core, database, path, node)
            copy = sqlite3.connect(path)
            try:
                copy.backup(target)
            finally:
                copy.close()
        return
    path = Path(target)
    with tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
        copied = Path(folder) / "copy"
        core.dump(database, os.fspath(copied), node)
        db = sqlite3.connect(copied, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = DELETE")
        finally:
            db.close()
        os.replace(copied, path)


def import_file(db: Connection, source: Union[str, os.PathLike[str]]) -> int:
    """Everything in a file of SQLite into an empty database, in one transaction.

    Returns how many rows were copied.
    """
    path = Path(source)
    if not path.is_file():
        raise ProgrammingError(f"there is no file {path}")
    if db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        raise ProgrammingError("the database is not empty: import into a new one")
    file = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return _import(db, file)
    except sqlite3.Error as error:
        raise DatabaseError(f"{path} cannot be read: {error}") from error
    finally:
        file.close()


def _import(db: Connection, file: sqlite3.Connection) -> int:
    file.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    schema = file.execute(
        "SELECT name, type, sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%'"
        " ORDER BY type = 'table' DESC, rowid"
    ).fetchall()
    for name, _, sql in schema:
        if sql.lstrip()[:20].upper().startswith("CREATE VIRTUAL"):
            raise ProgrammingError(f"{name} is a virtual table: create and fill it by hand")
    version, application = (
        file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
    )
    rows = 0
    db.execute("BEGIN IMMEDIATE")
    try:
        for name, kind, sql in schema:
            if kind == "table":
                db.execute(sql)
                rows += _import_table(db, file, name)
        if file.execute("SELECT 1 FROM sqlite_master WHERE name='sqlite_sequence'").fetchone():
            db.execute("DELETE FROM sqlite_sequence")
            rows_of = file.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
            db.executemany("INSERT INTO sqlite_sequence(name, seq) VALUES(?, ?)", rows_of)
        for _, kind, sql in schema:
            if kind != "table":
                db.execute(sql)
        db.commit()
    except BaseException:
        db._roll_back_quietly()
        raise
    for name, number in (("user_version", version), ("application_id", application)):
        if number:
            db.execute(f"PRAGMA {name} = {number}")
    return rows


def _import_table(db: Connection, file: sqlite3.Connection, name: str) -> int:
    columns = _stored_columns(file, name)
    rowid = next(
        (each for each in ("rowid", "_rowid_", "oid") if each not in map(str.lower, columns)), None
    )
    listed = ", ".join(map(quoted, columns))
    if rowid is not None:
        try:
            read = file.execute(f"SELECT {rowid}, {listed} FROM {quoted(name)}")
            listed = f"{rowid}, {listed}"
        except sqlite3.OperationalError:  # WITHOUT ROWID
            rowid = None
    if rowid is None:
        read = file.execute(f"SELECT {listed} FROM {quoted(name)}")
    marks = ", ".join("?" * (len(columns) + (rowid is not None)))
    insert = f"INSERT INTO {quoted(name)}({listed}) VALUES({marks})"
    rows = 0
    while True:
        some = read.fetchmany(_ROWS_MAX)
        if not some:
            return rows
        rows += db.executemany(insert, some).rowcount
