"""Connection and Cursor: DB-API 2.0, as `sqlite3` has it.

A connection talks to whichever node leads and finds it again when that changes. Threads may share
one: their calls run one after the other, and share one transaction. A pool is what threads that
work by themselves want.

Transactions are begun as in `sqlite3`: before the first INSERT, UPDATE, DELETE or REPLACE, with
``BEGIN IMMEDIATE`` unless `isolation_level` says something else; with ``isolation_level=None``
never by themselves, and each statement is a transaction; with ``autocommit`` as in Python 3.12.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union, overload

from quorlite import _core
from quorlite._administration import Administration
from quorlite._adapt import PARSE_COLNAMES, PARSE_DECLTYPES, converter_of, parse_time
from quorlite._columns import (
    ALL,
    Types,
    arrow_table,
    check_rows_max,
    make_columns,
    numpy_arrays,
    require,
)
from quorlite._copy import import_file, iterdump
from quorlite._errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)
from quorlite._row import made_by

#: The value of `autocommit` that leaves transactions to `isolation_level`.
LEGACY_TRANSACTION_CONTROL = -1

Parameters = Union[Sequence[Any], Mapping[str, Any], None]
#: Called with the cursor and the row; or a dataclass, whose fields are filled by name.
RowFactory = Callable[..., Any]
Description = tuple[tuple[str, None, None, None, None, None, None], ...]
C = TypeVar("C", bound="Cursor")

_LEVELS = {"", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"}
DML = {"INSERT", "UPDATE", "DELETE", "REPLACE"}
OF_TRANSACTIONS = {"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"}

_COMPUTE = "compute it in Python, from the rows or into the parameters"
_SQL = "statements run on the node, and what it allows is the same for everyone"
_ELSEWHERE = {
    "create_function": _COMPUTE,
    "create_aggregate": _COMPUTE,
    "create_window_function": _COMPUTE,
    "create_collation": "sort in Python, or ORDER BY an expression of SQL",
    "set_authorizer": _SQL,
    "set_progress_handler": "give the call a timeout, or interrupt() it from another thread",
    "enable_load_extension": _SQL,
    "load_extension": _SQL,
    "blobopen": "read and write the value as bytes, with substr() for a part of it",
    "serialize": "use backup() into a file",
    "deserialize": "use import_file()",
    "setlimit": _SQL,
    "setconfig": _SQL,
    "getconfig": _SQL,
}


@functools.lru_cache(maxsize=1024)
def first_word(sql: str) -> Optional[str]:
    """What a statement does, by its first word; after WITH by the one that follows the tables.

    None if the text holds no statement, only blanks and comments.
    """
    if not isinstance(sql, str):
        raise TypeError(f"a statement is a str, not {type(sql).__name__}")
    word = _core.verb(sql.encode())
    return None if word is None else word.upper()


def describe(columns: tuple[str, ...], detect_types: int) -> Description:
    """PEP 249's description; names end before the type that `PARSE_COLNAMES` reads in them."""
    if detect_types & PARSE_COLNAMES:
        columns = tuple(name.split("[", 1)[0].removesuffix(" ") or name for name in columns)
    return tuple((name, None, None, None, None, None, None) for name in columns)


class Cursor:
    """The rows of one statement, fetched as they are read."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        if not isinstance(connection, Connection):
            raise TypeError(f"a cursor is of a Connection, not of a {type(connection).__name__}")
        self.connection = connection
        self.row_factory: Optional[RowFactory] = connection.row_factory
        self.description: Optional[Description] = None
        self.rowcount = -1
        self.lastrowid: Optional[int] = None
        self._result: Optional[_core.Result] = None
        self._decoding: Optional[_core.Decoding] = None
        self._returning = False
        self._returned = 0
        self._closed = False

    # ---- Statements ----

    def execute(
        self: C,
        sql: str,
        parameters: Parameters = (),
        *,
        timeout: Optional[float] = None,
        idempotent: bool = False,
    ) -> C:
        """Executes one statement, with a sequence for `?` or a mapping for `:name`.

        :param timeout: How long it may take in all, in seconds, instead of the cluster's timeout.
        :param idempotent: Executing it twice does no harm: it is tried again also in doubt.
        """
        connection = self._usable()
        self._forget()
        word = first_word(sql)
        if word is None:
            connection._check_open()
            return self
        connection._begin_if_due(word)
        result = connection._run(sql, parameters, timeout, idempotent)
        columns = result.columns
        if columns:
            self.description = describe(columns, connection._detect_types)
            self._result = result
            self._decoding = connection._decoding_for(columns)
            self._returning, self._returned = word in DML, 0
        elif word in DML:
            self.rowcount = result.rows_affected
            connection._changes += self.rowcount
            if word in ("INSERT", "REPLACE"):
                self.lastrowid = result.last_insert_id
        return self

    def executemany(self: C, sql: str, parameters: Iterable[Parameters]) -> C:
        """Executes a statement for each set of parameters, without waiting in between.

        All of them are done or none: if one fails, what the others did is undone.
        """
        connection = self._usable()
        self._forget()
        word = first_word(sql)
        if word not in DML:
            raise ProgrammingError("executemany() is for INSERT, UPDATE, DELETE and REPLACE")
        connection._begin_if_due(word)
        self.rowcount = connection._execute_many(sql, parameters)
        connection._changes += self.rowcount
        return self

    def executescript(self: C, script: str) -> C:
        """Executes several statements, one by one.

        An open transaction is committed before; with ``autocommit=False`` they are part of it.
        """
        connection = self._usable()
        self._forget()
        if not isinstance(script, str):
            raise TypeError(f"a script is a str, not {type(script).__name__}")
        if "\0" in script:
            raise ProgrammingError("the script holds a null character")
        if connection.autocommit == LEGACY_TRANSACTION_CONTROL:
            connection.commit()
        else:
            connection._begin_if_due("INSERT")  # for it may write
        connection._note(script)
        connection._session.execute_script(script)
        return self

    # ---- Rows ----

    def fetchone(self) -> Any:
        self._usable()
        result, decoding = self._result, self._decoding
        if result is None or decoding is None:
            self.connection._check_open()
            return None
        row = result.next(decoding)
        if self._returning:
            self._count(row is not None, over=row is None)
        if row is None:
            return None
        return row if self.row_factory is None else made_by(self.row_factory, self)(row)

    def fetchmany(self, size: Optional[int] = None) -> list[Any]:
        return self._fetch(self.arraysize if size is None else size)

    def fetchall(self) -> list[Any]:
        return self._fetch(None)

    def _fetch(self, size: Optional[int]) -> list[Any]:
        self._usable()
        result, decoding = self._result, self._decoding
        if result is None or decoding is None:
            self.connection._check_open()
            return []
        if size is not None and (size := operator.index(size)) < 0:
            raise ProgrammingError("a number of rows is not negative")
        rows = result.fetch(decoding, size)
        if self._returning:
            self._count(len(rows), over=size is None or len(rows) < size)
        if self.row_factory is None:
            return rows
        return list(map(made_by(self.row_factory, self), rows))

    def _count(self, rows: int, over: bool = False) -> None:
        """RETURNING yields a row for each that was changed: their number is known at the end."""
        self._returned += rows
        if over:
            self._returning = False
            self.rowcount = self._returned
            self.connection._changes += self._returned

    # ---- Columns ----

    def fetch_arrow(self, *, types: Types = None) -> Any:
        """The rows that are left as a `pyarrow.Table`.

        :param types: Of columns, by name, where they are known beforehand: ``int64``,
            ``float64``, ``string`` or ``binary``. Otherwise the values say it; see the guide.
        """
        pyarrow = require("pyarrow", "arrow")
        return arrow_table(pyarrow, self._fill(self._columns(types), ALL))

    def fetch_arrow_batches(self, rows_max: int = 65536, *, types: Types = None) -> Iterator[Any]:
        """The rows that are left as `pyarrow.RecordBatch`, of at most so many rows, as they come.

        The first batch says the types of all; there is always one, if only an empty one.
        """
        check_rows_max(rows_max)
        return self._batches(require("pyarrow", "arrow"), rows_max, self._columns(types))

    def fetch_numpy(self, *, types: Types = None) -> dict[str, Any]:
        """The rows that are left as arrays of NumPy, by the names of columns.

        NULL is NaN in float64, masked in int64, None in texts and blobs. See `fetch_arrow`.
        """
        require("numpy", "numpy")
        return numpy_arrays(self._fill(self._columns(types), ALL))

    def _columns(self, types: Types) -> _core.Columns:
        self._usable()
        return make_columns(self._result.columns if self._result else None, types)

    def _fill(self, columns: _core.Columns, rows_max: int) -> _core.Columns:
        self._usable()
        if self._result is not None:
            try:
                self._result.fetch_into(columns, rows_max)
            except BaseException:
                self._drop_rows()
                raise
            if self._returning:
                self._count(len(columns), over=len(columns) < rows_max)
        return columns

    def _batches(self, pyarrow: Any, rows_max: int, columns: _core.Columns) -> Iterator[Any]:
        self._fill(columns, rows_max)
        yield pyarrow.record_batch(columns)
        while len(self._fill(columns := columns.successor(), rows_max)) > 0:
            yield pyarrow.record_batch(columns)

    def __iter__(self: C) -> C:
        return self

    def __next__(self) -> Any:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    # ---- The rest of PEP 249 ----

    def close(self) -> None:
        """Drops the rows that were not read; the cursor is of no use afterwards."""
        self._drop_rows()
        self._closed = True

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Does nothing, as PEP 249 allows."""

    def setoutputsize(self, size: int, column: Optional[int] = None) -> None:
        """Does nothing, as PEP 249 allows."""

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _usable(self) -> Connection:
        if self._closed:
            raise ProgrammingError("the cursor is closed")
        return self.connection

    def _drop_rows(self) -> None:
        result, self._result = self._result, None
        if result is not None:
            result.close()

    def _forget(self) -> None:
        self._drop_rows()
        self._returning = False
        self.description = None
        self.rowcount = -1


class Connection:
    """A connection to one database; made by `quorlite.connect()`, a cluster or a pool."""

    Warning = Warning
    Error = Error
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    DataError = DataError
    OperationalError = OperationalError
    IntegrityError = IntegrityError
    InternalError = InternalError
    ProgrammingError = ProgrammingError
    NotSupportedError = NotSupportedError

    def __init__(
        self,
        session: _core.Session,
        *,
        cluster: Administration,
        database: str,
        detect_types: int = 0,
        isolation_level: Optional[str] = "IMMEDIATE",
        autocommit: Union[bool, int] = LEGACY_TRANSACTION_CONTROL,
    ) -> None:
        self._session = session
        self.cluster = cluster
        self.database = database
        self._detect_types = detect_types
        self._changes = 0
        self._trace: Optional[Callable[[str], object]] = None
        self._text_factory: Any = str
        self._decoding: Optional[_core.Decoding] = None
        self.row_factory: Optional[RowFactory] = None
        self._isolation_level: Optional[str] = None
        self._autocommit: Union[bool, int] = LEGACY_TRANSACTION_CONTROL
        self.isolation_level = isolation_level
        self.autocommit = autocommit

    # ---- Statements ----

    @overload
    def cursor(self) -> Cursor: ...
    @overload
    def cursor(self, factory: Callable[[Connection], C]) -> C: ...
    def cursor(self, factory: Callable[[Connection], Any] = Cursor) -> Any:
        self._check_open()
        made = factory(self)
        if not isinstance(made, Cursor):
            raise TypeError(f"a factory of cursors gave a {type(made).__name__}")
        return made

    def execute(
        self,
        sql: str,
        parameters: Parameters = (),
        *,
        timeout: Optional[float] = None,
        idempotent: bool = False,
    ) -> Cursor:
        return Cursor(self).execute(sql, parameters, timeout=timeout, idempotent=idempotent)

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> Cursor:
        return Cursor(self).executemany(sql, parameters)

    def executescript(self, script: str) -> Cursor:
        return Cursor(self).executescript(script)

    # ---- Transactions ----

    @property
    def in_transaction(self) -> bool:
        return self._session.in_transaction

    @property
    def isolation_level(self) -> Optional[str]:
        return self._isolation_level

    @isolation_level.setter
    def isolation_level(self, level: Optional[str]) -> None:
        if level is not None and not isinstance(level, str):
            raise TypeError(f"an isolation level is a str or None, not {type(level).__name__}")
        if level is not None and str.upper(level) not in _LEVELS:
            raise ValueError("an isolation level is None, '', DEFERRED, IMMEDIATE or EXCLUSIVE")
        if level is None and self.autocommit == LEGACY_TRANSACTION_CONTROL:
            self.commit()
        self._isolation_level = level

    @property
    def autocommit(self) -> Union[bool, int]:
        return self._autocommit

    @autocommit.setter
    def autocommit(self, mode: Union[bool, int]) -> None:
        if mode is not True and mode is not False and mode != LEGACY_TRANSACTION_CONTROL:
            raise ValueError("autocommit is True, False or LEGACY_TRANSACTION_CONTROL")
        if mode is True and self._autocommit is False:
            self.commit()
        self._autocommit = mode

    def commit(self) -> None:
        """Commits what is open; does nothing if nothing is."""
        if self.in_transaction:
            self._run("COMMIT")

    def rollback(self) -> None:
        """Undoes what is open; does nothing if nothing is."""
        if self.in_transaction:
            self._run("ROLLBACK")

    def _begin_if_due(self, word: str) -> None:
        if self._autocommit is True or word in OF_TRANSACTIONS or not word:
            return
        if self._autocommit is False:
            level = "IMMEDIATE" if word in DML else ""
        elif self._isolation_level is None or word not in DML:
            return
        else:
            level = self._isolation_level
        if not self._session.in_transaction:
            self._run(f"BEGIN {level}")

    def _run(
        self,
        sql: str,
        parameters: Parameters = (),
        timeout: Optional[float] = None,
        idempotent: bool = False,
    ) -> _core.Result:
        self._note(sql)
        return self._session.execute(sql, parameters, timeout, idempotent)

    def _note(self, sql: str) -> None:
        if self._trace is not None:
            self._trace(sql)

    def _execute_many(self, sql: str, parameters: Iterable[Parameters]) -> int:
        session = self._session
        inside = session.in_transaction
        self._note(sql)
        session.execute("SAVEPOINT quorlite_many" if inside else "BEGIN IMMEDIATE")
        try:
            changed, _ = session.execute_many(sql, parameters)
        except BaseException:
            # If this fails, the transaction is lost: there is nothing left to be undone.
            with contextlib.suppress(Error):
                if not inside:
                    self.rollback()
                elif session.in_transaction:
                    session.execute("ROLLBACK TO quorlite_many")
                    session.execute("RELEASE quorlite_many")
            raise
        session.execute("RELEASE quorlite_many" if inside else "COMMIT")
        return changed

    def __enter__(self) -> Connection:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if kind is None:
            try:
                self.commit()
            except BaseException:
                self._roll_back_quietly()
                raise
        else:
            self._roll_back_quietly()

    def _roll_back_quietly(self) -> None:
        """What is under way is reported, rather than that undoing it failed as well."""
        try:
            self.rollback()
        except Error:
            self.close()

    # ---- State ----

    @property
    def total_changes(self) -> int:
        """How many rows statements of this connection have changed, as far as they said.

        Those of triggers, of `executescript` and of rows that were not read are not counted.
        """
        return self._changes

    @property
    def node(self) -> str:
        """HOST:PORT of the node in use; empty if there is none at the moment."""
        return self._session.node

    @property
    def text_factory(self) -> Any:
        return self._text_factory

    @text_factory.setter
    def text_factory(self, factory: Any) -> None:
        self._text_factory = factory
        self._decoding = None

    def set_trace_callback(self, trace: Optional[Callable[[str], object]]) -> None:
        """Calls a function with the text of each statement before it is sent; None: no longer.

        Also with those that begin and end transactions by themselves. Values of parameters are not
        in it, and neither are the statements of triggers.
        """
        self._check_open()
        self._trace = trace

    def getlimit(self, category: int) -> int:
        """What the node allows; `category` is one of ``quorlite.SQLITE_LIMIT_LENGTH`` and so on."""
        try:
            result = self._session.execute("SELECT quorlite_limit(?)", (category,))
        except OperationalError as error:
            if error.kind != "sql":
                raise
            raise NotSupportedError("this node does not tell its limits") from error
        (limit,) = result.next(_core.Decoding()) or (None,)
        if limit is None:
            raise ProgrammingError(f"there is no limit {category}: use SQLITE_LIMIT_LENGTH or another")
        return int(limit)

    def interrupt(self) -> None:
        """Stops what another thread has under way on this connection: a call, or rows to be read."""
        self._check_open()
        self._session.interrupt()

    def ping(self) -> None:
        """Connects if need be, and asks the node whether it is well."""
        self._session.ping()

    def close(self) -> None:
        """An open transaction is rolled back. Closing twice does no harm."""
        self._session.close()

    # ---- Whole databases ----

    def iterdump(self, *, filter: Optional[str] = None) -> Iterator[str]:
        """The statements that make the database again.

        :param filter: Only what has names like this pattern of LIKE, as in Python 3.13.
        """
        self._check_open()
        return iterdump(self, filter or "")

    def backup(self, target: Union[str, os.PathLike[str], sqlite3.Connection]) -> None:
        """A copy of the database, as one file of SQLite or in a connection of `sqlite3`."""
        self._check_open()
        self.cluster.backup(target, self.database)

    def import_file(self, source: Union[str, os.PathLike[str]]) -> int:
        """Everything in a file of SQLite into this database, which must be empty.

        In one transaction; returns how many rows were copied.
        """
        self._check_open()
        return import_file(self, source)

    # ---- What cannot exist over a wire ----

    if not TYPE_CHECKING:  # for which there are no such attributes

        def __getattr__(self, name: str) -> Any:
            instead = _ELSEWHERE.get(name)
            if instead is None:
                raise AttributeError(f"a connection has no attribute {name!r}")
            raise NotSupportedError(
                f"{name}() works inside of SQLite's process, not over a wire: {instead}")

    def _check_open(self) -> None:
        if self._session.closed:
            raise ProgrammingError("the connection is closed")

    def _decoding_for(self, columns: tuple[str, ...]) -> _core.Decoding:
        if self._detect_types & PARSE_COLNAMES:
            by_column = [converter_of(name) for name in columns]
            if any(by_column):
                return self._make_decoding(by_column)
        if self._decoding is None:
            self._decoding = self._make_decoding([])
        return self._decoding

    def _make_decoding(self, by_column: list[Optional[Callable[[bytes], Any]]]) -> _core.Decoding:
        declared = bool(self._detect_types & PARSE_DECLTYPES)
        return _core.Decoding(
            text_factory=None if self._text_factory is str else self._text_factory,
            by_column=by_column,
            time=parse_time if declared else None,
            booleans=declared,
        )
