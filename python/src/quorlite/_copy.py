"""Whole databases: as SQL, to a file of SQLite, and from one."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Union

from quorlite import _core
from quorlite._errors import DatabaseError, NotSupportedError, ProgrammingError


class Database(Protocol):
    """What copying needs of a connection."""

    _session: _core.Session

    def _execute_many(self, sql: str, sets: Iterable[Any]) -> Any: ...
    def _roll_back_quietly(self) -> None: ...
    def commit(self) -> None: ...

# Rows that are read, or inserted, at a time.
_ROWS_MAX = 10_000


# What a text holds that is not code: comments, strings, quoted names.
_NOT_CODE = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]""", re.DOTALL
)
_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\s+TABLE\b.*?\bUSING\s+(\w+)", re.IGNORECASE | re.DOTALL)
_CONTENTLESS = re.compile(r"\bcontent\s*=\s*(?:''|\"\"|``)", re.IGNORECASE)
_FULL_TEXT = {"fts3", "fts4", "fts5"}
# The tables behind a virtual one: making that makes them.
_SHADOWS = {
    "fts3": ("content", "segments", "segdir"),
    "fts4": ("content", "segments", "segdir", "docsize", "stat"),
    "fts5": ("data", "idx", "content", "docsize", "config"),
    "rtree": ("node", "parent", "rowid"),
    "rtree_i32": ("node", "parent", "rowid"),
    "geopoly": ("node", "parent", "rowid"),
}
# Only names that begin with sqlite_ are SQLite's own.
_SCHEMA = (
    "SELECT name, type, sql FROM sqlite_master"
    " WHERE sql NOT NULL AND lower(substr(name, 1, 7)) <> 'sqlite_'"
    " ORDER BY type = 'table' DESC, rowid"
)
_FOREIGN_KEYS = (
    "SELECT 1 FROM sqlite_master AS m, pragma_foreign_key_list(m.name) WHERE m.type = 'table' LIMIT 1"
)


class _RawText(bytes):
    """A text that is not UTF-8."""


def _text(raw: bytes) -> Any:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _RawText(raw)


def _values(db: Database, sql: str) -> Iterator[tuple[Any, ...]]:
    """Rows as they are stored, whatever the connection makes of rows, texts and types."""
    decoding = _core.Decoding(text_factory=_text)
    result = db._session.execute(sql)
    while rows := result.fetch(decoding, _ROWS_MAX):
        yield from rows


class _Thing(NamedTuple):
    """A part of a schema."""

    name: str
    kind: str
    sql: str
    module: str  # of a virtual table

    @property
    def full_text(self) -> bool:
        return self.module in _FULL_TEXT

    def refuse_contentless(self) -> None:
        if self.full_text and _CONTENTLESS.search(self.sql):
            raise NotSupportedError(
                f"{self.name} is a full-text index without content, whose texts are nowhere: "
                "make it anew from what it was made of, or copy the database with backup()"
            )


def _things(rows: Iterable[tuple[Any, ...]]) -> list[_Thing]:
    things = []
    for name, kind, sql in rows:
        found = _VIRTUAL.match(sql)
        things.append(_Thing(name, kind, sql, found.group(1).lower() if found else ""))
    shadows = {
        f"{each.name}_{shadow}".lower() for each in things for shadow in _SHADOWS.get(each.module, ())
    }
    return [each for each in things if each.kind != "table" or each.name.lower() not in shadows]


def _counted(things: list[_Thing]) -> list[str]:
    """The tables whose numbers are in sqlite_sequence."""
    return [
        each.name
        for each in things
        if each.kind == "table"
        and re.search(r"\bAUTOINCREMENT\b", _NOT_CODE.sub(" ", each.sql), re.IGNORECASE)
    ]


def _can_be_written(db: Database, thing: _Thing) -> bool:
    """Some virtual tables are only for reading: what they show is made of others."""
    if not thing.module:
        return True
    try:
        db._session.execute(f"EXPLAIN INSERT INTO {quoted(thing.name)} DEFAULT VALUES").close()
    except DatabaseError as error:
        return "may not be modified" not in str(error)
    return True


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, _RawText):
        return f"CAST(X'{value.hex()}' AS TEXT)"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "9e999" if value > 0 else "-9e999"
    return repr(value)


def _terminated(sql: str) -> str:
    """With a semicolon that is not part of a comment."""
    for end in (";", "\n;"):
        if sqlite3.complete_statement(sql + end):
            return sql + end
    return sql + "*/;"


def _stored(xinfo: Iterable[tuple[Any, ...]]) -> list[str]:
    """Neither generated nor hidden columns."""
    return [row[1] for row in xinfo if row[6] == 0]


def iterdump(db: Database) -> Iterator[str]:
    """The statements that make the database again, as `sqlite3.Connection.iterdump` gives them.

    Tables may come before those that they refer to: then foreign keys are not checked meanwhile.
    """
    linked = any(_values(db, _FOREIGN_KEYS))
    if linked:
        yield "PRAGMA foreign_keys=OFF;"
    yield "BEGIN TRANSACTION;"
    things = _things(_values(db, _SCHEMA))
    for each in things:
        if each.kind == "table":
            yield _terminated(each.sql)
            yield from _inserts(db, each)
    if counted := _counted(things):
        yield 'DELETE FROM "sqlite_sequence";'
        names = ", ".join(map(_literal, counted))
        for row in _values(db, f"SELECT name, seq FROM sqlite_sequence WHERE name IN ({names})"):
            yield f"INSERT INTO \"sqlite_sequence\" VALUES({','.join(map(_literal, row))});"
    for each in things:
        if each.kind != "table":
            yield _terminated(each.sql)
    yield "COMMIT;"
    if linked:
        yield "PRAGMA foreign_keys=ON;"


def _inserts(db: Database, table: _Thing) -> Iterator[str]:
    if not _can_be_written(db, table):
        return
    table.refuse_contentless()
    name = quoted(table.name)
    xinfo = list(_values(db, f"PRAGMA table_xinfo({name})"))
    columns = list(map(quoted, _stored(xinfo)))
    # A sign + changes nothing but that the result has no declared type.
    read = [f"+{each}" for each in columns]
    if table.full_text:  # by their rowids its rows belong to those of other tables
        columns, read = ["rowid", *columns], ["rowid", *read]
    listed = "" if len(columns) == len(xinfo) else f"({', '.join(columns)})"
    for row in _values(db, f"SELECT {', '.join(read)} FROM {name}"):
        yield f"INSERT INTO {name}{listed} VALUES({','.join(map(_literal, row))});"


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


def import_file(db: Database, source: Union[str, os.PathLike[str]]) -> int:
    """Everything in a file of SQLite into an empty database, in one transaction.

    Returns how many rows were copied.
    """
    path = Path(source)
    if not path.is_file():
        raise ProgrammingError(f"there is no file {path}")
    if any(_values(db, "SELECT 1 FROM sqlite_master LIMIT 1")):
        raise ProgrammingError("the database is not empty: import into a new one")
    file = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        file.text_factory = _text
        # Children may come before their parents: as in every copy that SQLite itself makes.
        with _without_foreign_keys(db):
            return _import(db, file)
    except sqlite3.Error as error:
        raise DatabaseError(f"{path} cannot be read: {error}") from error
    finally:
        file.close()


@contextlib.contextmanager
def _without_foreign_keys(db: Database) -> Iterator[None]:
    """Outside of a transaction, where alone that can be said."""
    checked = any(row[0] for row in _values(db, "PRAGMA foreign_keys"))
    if checked:
        db._session.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        if checked and not db._session.closed:
            with contextlib.suppress(DatabaseError):  # of a connection that is gone, with its setting
                db._session.execute("PRAGMA foreign_keys = ON")


def _import(db: Database, file: sqlite3.Connection) -> int:
    things = _things(file.execute(_SCHEMA))
    for each in things:
        each.refuse_contentless()
    version, application = (
        file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
    )
    rows = 0
    session = db._session
    session.execute("BEGIN IMMEDIATE")
    try:
        # If the leader has changed since the check was switched off, it is made at the end.
        session.execute("PRAGMA defer_foreign_keys = ON")
        for each in things:
            if each.kind == "table":
                session.execute(each.sql)
                if _can_be_written(db, each):
                    rows += _import_table(db, file, each)
        if counted := _counted(things):
            session.execute("DELETE FROM sqlite_sequence")
            names = ", ".join(map(_literal, counted))
            numbers = file.execute(f"SELECT name, seq FROM sqlite_sequence WHERE name IN ({names})")
            insert = "INSERT INTO sqlite_sequence(name, seq) VALUES(?, ?)"
            db._execute_many(insert, numbers.fetchall())
        for each in things:
            if each.kind != "table":
                session.execute(each.sql)
        db.commit()
    except BaseException:
        db._roll_back_quietly()
        raise
    for name, number in (("user_version", version), ("application_id", application)):
        if number:
            session.execute(f"PRAGMA {name} = {number}")
    return rows


def _import_table(db: Database, file: sqlite3.Connection, table: _Thing) -> int:
    name = quoted(table.name)
    columns = _stored(file.execute(f"PRAGMA table_xinfo({name})"))
    rowid = next(
        (each for each in ("rowid", "_rowid_", "oid") if each not in map(str.lower, columns)), None
    )
    if table.module and not table.full_text:
        rowid = None
    listed = ", ".join(map(quoted, columns))
    if rowid is not None:
        try:
            read = file.execute(f"SELECT {rowid}, {listed} FROM {name}")
            listed = f"{rowid}, {listed}"
        except sqlite3.OperationalError:  # WITHOUT ROWID
            rowid = None
    if rowid is None:
        read = file.execute(f"SELECT {listed} FROM {name}")
    insert = f"INSERT INTO {name}({listed}) VALUES"
    marks = ["?"] * (len(columns) + (rowid is not None))
    rows = 0
    while some := read.fetchmany(_ROWS_MAX):
        odd = [row for row in some if any(map(_is_odd, row))]
        plain = [row for row in some if not any(map(_is_odd, row))] if odd else some
        db._execute_many(f"{insert}({', '.join(marks)})", plain)
        for row in odd:
            casts = ["CAST(? AS TEXT)" if _is_odd(value) else "?" for value in row]
            values = [_bytes_of(value) for value in row]
            db._session.execute(f"{insert}({', '.join(casts)})", values)
        rows += len(some)
    return rows


def _is_odd(value: Any) -> bool:
    """A text that cannot be bound as one."""
    return isinstance(value, _RawText) or (isinstance(value, str) and "\0" in value)


def _bytes_of(value: Any) -> Any:
    if not _is_odd(value):
        return value
    return value.encode() if isinstance(value, str) else bytes(value)
