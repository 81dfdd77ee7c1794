"""Whole databases: as SQL, to a file of SQLite, and from one."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, Union

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
# The first that tells which tables are the shadows of others.
_SQLITE_MIN = (3, 37, 0)



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


def _described(dump: _core.Dump, ask: Callable[[str], Iterable[tuple[Any, ...]]]) -> _core.Dump:
    """What of a database is written, and how, as the database itself answers."""
    while question := dump.question:
        answer = list(ask(question))
        try:
            dump.answer(answer)
        except ProgrammingError as error:
            raise NotSupportedError(str(error)) from None
    return dump


def iterdump(db: Database, pattern: str = "") -> Iterator[str]:
    """The statements that make the database again, as `sqlite3.Connection.iterdump` gives them.

    Rows may come before those that they refer to: then foreign keys are not checked meanwhile.
    """
    dump = _described(_core.Dump(pattern), lambda question: _values(db, question))
    if dump.refers:
        yield "PRAGMA foreign_keys=OFF;"
    yield "BEGIN TRANSACTION;"
    for kind, sql, insert, paired in dump.steps():
        if kind == "statement":
            yield sql
            continue
        result = db._session.execute(sql)
        while rows := result.fetch_inserts(insert, paired, _ROWS_MAX):
            yield from rows
    yield "COMMIT;"
    if dump.refers:
        yield "PRAGMA foreign_keys=ON;"


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
    if sqlite3.sqlite_version_info < _SQLITE_MIN:
        raise NotSupportedError(
            f"files are read with Python's SQLite, which is {sqlite3.sqlite_version}: 3.37 is needed")
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
    steps = _described(_core.Dump(whole_texts=True), file.execute).steps()
    rows = 0
    session = db._session
    session.execute("BEGIN IMMEDIATE")
    try:
        # If the leader has changed since the check was switched off, it is made at the end.
        session.execute("PRAGMA defer_foreign_keys = ON")
        for kind, sql, insert, _ in steps:
            if kind == "statement":
                session.execute(sql)
            elif kind == "prepare":
                file.execute(sql)
            else:
                rows += _import_rows(db, file.execute(sql), insert)
        db.commit()
    except BaseException:
        db._roll_back_quietly()
        raise
    return rows


def _import_rows(db: Database, found: sqlite3.Cursor, insert: str) -> int:
    rows = 0
    while some := found.fetchmany(_ROWS_MAX):
        # In their order, by which they are given the rowids that they had.
        for odd, alike in itertools.groupby(some, lambda row: tuple(map(_is_odd, row))):
            marks = ", ".join("CAST(? AS TEXT)" if each else "?" for each in odd)
            db._execute_many(f"{insert}({marks})", ([*map(_bytes_of, row)] for row in alike))
        rows += len(some)
    return rows


def _is_odd(value: Any) -> bool:
    """A text that cannot be bound as one."""
    return isinstance(value, _RawText) or (isinstance(value, str) and "\0" in value)


def _bytes_of(value: Any) -> Any:
    if not _is_odd(value):
        return value
    return value.encode() if isinstance(value, str) else bytes(value)
