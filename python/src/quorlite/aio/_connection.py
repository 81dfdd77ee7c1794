"""Connection and Cursor for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import operator
import os
from collections.abc import AsyncIterator, Coroutine, Generator, Iterable
from types import TracebackType
from typing import Any, Callable, Optional, Union

import quorlite
from quorlite import _core
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
from quorlite._connection import DML, OF_TRANSACTIONS, Description, Parameters, describe, first_word
from quorlite._errors import Error, ProgrammingError
from quorlite._row import made_by
from quorlite.aio._bridge import bridge_of, reply

Target = Union[str, "os.PathLike[str]", quorlite.Node, quorlite.Cluster]
#: As of `quorlite.Connection`.
RowFactory = Callable[..., Any]

# Of one executemany(), under way.
_STATEMENTS_UNDER_WAY = 512


class Execution(Coroutine[Any, Any, "Cursor"]):
    """A statement under way: awaited it is its cursor, and by ``async with`` one that is closed at the end."""

    def __init__(self, coroutine: Coroutine[Any, Any, Cursor]) -> None:
        self._coroutine = coroutine
        self._cursor: Optional[Cursor] = None

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *exception: Any) -> Any:
        return self._coroutine.throw(*exception)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, None, Cursor]:
        return self._coroutine.__await__()

    async def __aenter__(self) -> Cursor:
        self._cursor = await self._coroutine
        return self._cursor

    async def __aexit__(self, *exception: object) -> None:
        if self._cursor is not None:
            await self._cursor.close()


class Cursor:
    """The rows of one statement, fetched as they are read; ``async for`` reads them."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.row_factory: Optional[RowFactory] = connection.row_factory
        self.description: Optional[Description] = None
        self.rowcount = -1
        self.lastrowid: Optional[int] = None
        self._stream: Optional[_core.Stream] = None
        self._batch: Optional[_core.Reply] = None
        self._decoding = _core.Decoding()
        self._returning = False
        self._returned = 0
        self._closed = False

    # ---- Statements ----

    def execute(
        self,
        sql: str,
        parameters: Parameters = (),
        *,
        timeout: Optional[float] = None,
        idempotent: bool = False,
    ) -> Execution:
        """Executes one statement, with a sequence for `?` or a mapping for `:name`.

        :param timeout: How long it may take in all, in seconds, instead of the connection's
            timeout. Its rows are then held in memory before the first is returned.
        :param idempotent: Executing it twice does no harm: it is tried again also in doubt.
        """
        return Execution(self._execute(sql, parameters, timeout, idempotent))

    async def _execute(
        self, sql: str, parameters: Parameters, timeout: Optional[float], idempotent: bool
    ) -> Cursor:
        connection = self._usable()
        self._forget()
        word = first_word(sql)
        if word is None:
            return self
        async with connection._lock:
            await connection._begin_if_due(word)
            session = connection._session
            if timeout is None and session.yields_rows(sql):
                self._stream = session.stream(sql, parameters, idempotent)
                reply = await connection._ask(self._stream.next)
                if not reply.more:
                    self._stream = None
            else:
                reply = await connection._ask(
                    lambda future: session.query(sql, parameters, future, timeout, idempotent)
                )
        if reply.columns:
            self.description = describe(reply.columns, connection._detect_types)
            self._batch = reply
            self._decoding = connection._decoding_for(reply.columns)
            self._returning, self._returned = word in DML, 0
        elif word in DML:
            self.rowcount = reply.rows_affected
            if word in ("INSERT", "REPLACE"):
                self.lastrowid = reply.last_insert_id
        return self

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> Execution:
        """Executes a statement for each set of parameters, without waiting in between.

        All of them are done or none: if one fails, what the others did is undone.
        """
        return Execution(self._execute_many(sql, parameters))

    async def _execute_many(self, sql: str, parameters: Iterable[Parameters]) -> Cursor:
        connection = self._usable()
        self._forget()
        word = first_word(sql)
        if word not in DML:
            raise ProgrammingError("executemany() is for INSERT, UPDATE, DELETE and REPLACE")
        async with connection._lock:
            await connection._begin_if_due(word)
            self.rowcount = await connection._execute_many(sql, iter(parameters))
        return self

    # ---- Rows ----

    async def fetchone(self) -> Any:
        rows = await self._fetch(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: Optional[int] = None) -> list[Any]:
        if size is not None and (size := operator.index(size)) < 0:
            raise ProgrammingError("a number of rows is not negative")
        return await self._fetch(self.arraysize if size is None else size)

    async def fetchall(self) -> list[Any]:
        return await self._fetch(None)

    async def _fetch(self, size: Optional[int]) -> list[Any]:
        connection = self._usable()
        found: list[Any] = []
        while self._batch is not None and (size is None or len(found) < size):
            left = None if size is None else size - len(found)
            rows = self._batch.fetch(self._decoding, left)
            self._returned += len(rows)
            if self.row_factory is not None:
                rows = list(map(made_by(self.row_factory, self), rows))
            found += rows
            if left is None or len(rows) < left:
                await self._next_batch(connection)
        return found

    async def fetch_arrow(self, *, types: Types = None) -> Any:
        """The rows that are left as a `pyarrow.Table`; see `quorlite.Cursor.fetch_arrow`."""
        pyarrow = require("pyarrow", "arrow")
        return arrow_table(pyarrow, await self._fill(self._columns(types), ALL))

    async def fetch_arrow_batches(
        self, rows_max: int = 65536, *, types: Types = None
    ) -> AsyncIterator[Any]:
        """The rows that are left as `pyarrow.RecordBatch`, of at most so many rows, as they come.

        The first batch says the types of all; there is always one, if only an empty one.
        """
        check_rows_max(rows_max)
        pyarrow = require("pyarrow", "arrow")
        columns = await self._fill(self._columns(types), rows_max)
        yield pyarrow.record_batch(columns)
        while len(await self._fill(columns := columns.successor(), rows_max)) > 0:
            yield pyarrow.record_batch(columns)

    async def fetch_numpy(self, *, types: Types = None) -> dict[str, Any]:
        """The rows that are left as arrays of NumPy; see `quorlite.Cursor.fetch_numpy`."""
        require("numpy", "numpy")
        return numpy_arrays(await self._fill(self._columns(types), ALL))

    def _columns(self, types: Types) -> _core.Columns:
        self._usable()
        described = self.description
        names = None if described is None else tuple(column[0] for column in described)
        return make_columns(names, types)

    async def _fill(self, columns: _core.Columns, rows_max: int) -> _core.Columns:
        connection = self._usable()
        while self._batch is not None:
            before = len(columns)
            try:
                self._batch.fetch_into(columns, rows_max)
            except BaseException:
                self._stream = self._batch = None
                raise
            self._returned += len(columns) - before
            if len(columns) >= rows_max:
                break
            await self._next_batch(connection)
        return columns

    async def _next_batch(self, connection: Connection) -> None:
        self._batch = None
        stream = self._stream
        if stream is None:
            self._end_rows()
            return
        try:
            async with connection._lock:
                reply = await connection._ask(stream.next)
        except BaseException:
            self._stream = None
            raise
        if reply.more:
            self._batch = reply
        else:
            self._stream = None
            self._end_rows()

    def _end_rows(self) -> None:
        """RETURNING yields a row for each that was changed: their number is known at the end."""
        if self._returning:
            self._returning = False
            self.rowcount = self._returned

    def __aiter__(self) -> Cursor:
        return self

    async def __anext__(self) -> Any:
        # A row that is there is had without a task's switch.
        self._usable()
        while self._batch is not None:
            rows = self._batch.fetch(self._decoding, 1)
            if rows:
                self._returned += 1
                return rows[0] if self.row_factory is None else made_by(self.row_factory, self)(rows[0])
            await self._next_batch(self.connection)
        raise StopAsyncIteration

    # ---- The rest ----

    async def setinputsizes(self, *sizes: Any) -> None:
        """Does nothing, as PEP 249 allows."""

    async def close(self) -> None:
        """Drops the rows that were not read; the cursor is of no use afterwards."""
        self._stream = self._batch = None
        self._closed = True

    async def __aenter__(self) -> Cursor:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def _usable(self) -> Connection:
        if self._closed:
            raise ProgrammingError("the cursor is closed")
        return self.connection._usable()

    def _forget(self) -> None:
        self._stream = self._batch = None
        self._returning = False
        self.description = None
        self.rowcount = -1


class Connection:
    """A connection to one database, of one event loop; made by `connect()` or a pool.

    Tasks may share one: their statements are executed one after the other, and share one
    transaction. A pool is what tasks that work by themselves want.
    """

    def __init__(
        self, cluster: quorlite.Cluster, database: str, *, autocommit: bool, detect_types: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._bridge = bridge_of(self._loop)
        self._session = cluster._core.connect_async(self._bridge, database)
        self._lock = asyncio.Lock()
        self._detect_types = detect_types
        self._closed = False
        self.cluster = cluster
        self.database = database
        #: If not, a transaction is begun before the first statement, until `commit` or `rollback`.
        self.autocommit = autocommit
        self.row_factory: Optional[RowFactory] = None

    # ---- Statements ----

    def execute(
        self,
        sql: str,
        parameters: Parameters = (),
        *,
        timeout: Optional[float] = None,
        idempotent: bool = False,
    ) -> Execution:
        return Cursor(self).execute(sql, parameters, timeout=timeout, idempotent=idempotent)

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> Execution:
        return Cursor(self).executemany(sql, parameters)

    def cursor(self) -> Cursor:
        self._usable()
        return Cursor(self)

    # ---- Transactions ----

    @property
    def in_transaction(self) -> bool:
        return not self._closed and self._session.in_transaction

    async def commit(self) -> None:
        """Commits what is open; does nothing if nothing is."""
        await self._end("COMMIT")

    async def rollback(self) -> None:
        """Undoes what is open; does nothing if nothing is."""
        await self._end("ROLLBACK")

    async def _end(self, how: str) -> None:
        self._usable()
        async with self._lock:
            if self.in_transaction:
                await self._run(how)

    @contextlib.asynccontextmanager
    async def transaction(
        self, *, read_only: bool = False, timeout: Optional[float] = None
    ) -> AsyncIterator[Connection]:
        """A transaction: commits at the end, or rolls back if there is an exception.

        :param read_only: Begin with a snapshot instead of with the write lock.
        """
        self._usable()
        async with self._lock:
            if self.in_transaction:
                raise ProgrammingError("a transaction is open already: use SAVEPOINT inside of it")
            await self._run("BEGIN" if read_only else "BEGIN IMMEDIATE", timeout)
        try:
            yield self
            await self.commit()
        except BaseException:
            await self._roll_back_quietly()
            raise

    async def _roll_back_quietly(self) -> None:
        """What is under way is reported, rather than that undoing it failed as well."""
        try:
            if not self._closed:
                await self.rollback()
        except Error:
            self._give_up()
        except asyncio.CancelledError:
            self._give_up()
            raise

    async def _begin_if_due(self, word: str) -> None:
        if self.autocommit or self.in_transaction or word in OF_TRANSACTIONS or not word:
            return
        await self._run("BEGIN IMMEDIATE" if word in DML else "BEGIN")

    async def _run(self, sql: str, timeout: Optional[float] = None) -> None:
        await self._ask(lambda future: self._session.query(sql, (), future, timeout))

    async def _execute_many(self, sql: str, sets: Iterable[Parameters]) -> int:
        inside = self.in_transaction
        await self._run("SAVEPOINT quorlite_many" if inside else "BEGIN IMMEDIATE")
        changed = 0
        try:
            while some := list(itertools.islice(sets, _STATEMENTS_UNDER_WAY)):
                start = functools.partial(self._session.execute_many, sql, some)
                reply = await self._ask(start)
                changed += reply.rows_affected
        except BaseException:
            # If this fails, the transaction is lost: there is nothing left to be undone.
            with contextlib.suppress(Error):
                if not inside:
                    await self._run("ROLLBACK")
                elif self.in_transaction:
                    await self._run("ROLLBACK TO quorlite_many")
                    await self._run("RELEASE quorlite_many")
            raise
        await self._run("RELEASE quorlite_many" if inside else "COMMIT")
        return changed

    # ---- State ----

    async def ping(self, timeout: Optional[float] = None) -> None:
        """Connects if need be, and asks the node whether it is well."""
        self._usable()
        async with self._lock:
            await self._run("SELECT 1", timeout)

    async def close(self) -> None:
        """An open transaction is rolled back. Closing twice does no harm."""
        self._give_up()

    def _give_up(self) -> None:
        self._closed = True
        self._session.close()

    def _usable(self) -> Connection:
        if self._closed:
            raise ProgrammingError("the connection is closed")
        return self

    async def _ask(self, start: Callable[[asyncio.Future[_core.Reply]], int]) -> _core.Reply:
        self._usable()
        if asyncio.get_running_loop() is not self._loop:
            raise ProgrammingError("the connection is of another event loop: connect in each")
        return await reply(self._bridge, start, self._give_up)

    def _decoding_for(self, columns: tuple[str, ...]) -> _core.Decoding:
        declared = bool(self._detect_types & PARSE_DECLTYPES)
        by_name = bool(self._detect_types & PARSE_COLNAMES)
        return _core.Decoding(
            by_column=[converter_of(name) for name in columns] if by_name else [],
            time=parse_time if declared else None,
            booleans=declared,
        )


class connect:  # noqa: N801 (used like a function)
    """``await connect(...)``, or ``async with connect(...) as db:``, which closes it at the end.

    Takes what `quorlite.connect()` takes; and

    :param autocommit: Unless false, each statement outside of a transaction is one by itself.
    """

    def __init__(
        self,
        target: Target,
        database: Optional[str] = None,
        *,
        timeout: Optional[float] = None,
        connect_timeout: Optional[float] = None,
        busy_timeout: Optional[float] = None,
        autocommit: bool = True,
        detect_types: int = 0,
    ) -> None:
        self._cluster = target if isinstance(target, quorlite.Cluster) else quorlite.Cluster(
            target, timeout=timeout, connect_timeout=connect_timeout, busy_timeout=busy_timeout
        )  # fmt: skip
        self._database = self._cluster._name(database)
        self._autocommit = autocommit
        self._detect_types = detect_types
        self._made: Optional[Connection] = None

    async def _connect(self) -> Connection:
        made = Connection(
            self._cluster,
            self._database,
            autocommit=self._autocommit,
            detect_types=self._detect_types,
        )
        try:
            await made._ask(made._session.connect)
        except BaseException:
            await made.close()
            raise
        return made

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._connect().__await__()

    async def __aenter__(self) -> Connection:
        self._made = await self._connect()
        return self._made

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._made is not None:
            await self._made.close()
