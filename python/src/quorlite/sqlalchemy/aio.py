"""The dialect for SQLAlchemy's asyncio extension, over `quorlite.aio`.

    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine("quorlite+aio://node1,node2,node3:9001/app")

``quorlite://`` does as well: an asynchronous engine takes this dialect by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any, Callable, Optional, Protocol, TypeVar

from sqlalchemy import pool
from sqlalchemy.connectors.asyncio import (
    AsyncAdapt_dbapi_connection,
    AsyncAdapt_dbapi_cursor,
    AsyncAdapt_dbapi_ss_cursor,
)
from sqlalchemy.dialects.sqlite.base import SQLiteExecutionContext
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util.concurrency import await_only

import quorlite
import quorlite.aio
from quorlite._attempts import Attempts
from quorlite.sqlalchemy._dialect import QuorliteDialect
from quorlite.sqlalchemy._run import give_up, pause_after

T = TypeVar("T")
C = TypeVar("C", covariant=True)


class AdaptedConnection(AsyncAdapt_dbapi_connection):
    """A connection of `quorlite.aio`, called as if it were a blocking one."""

    _connection: Any
    _cursor_cls = AsyncAdapt_dbapi_cursor
    _ss_cursor_cls = AsyncAdapt_dbapi_ss_cursor
    __slots__ = ("isolation_level",)

    def __init__(self, dbapi: Any, connection: quorlite.aio.Connection, level: Optional[str]):
        super().__init__(dbapi, connection)  # type: ignore[arg-type]
        self.isolation_level = level

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    @property
    def autocommit(self) -> bool:
        return bool(self._connection.autocommit)

    @autocommit.setter
    def autocommit(self, mode: int) -> None:
        # Outside of transactions of SQLAlchemy each statement is one by itself.
        self._connection.autocommit = mode is not False

    def ping(self) -> None:
        await_only(self._connection.ping())

    def terminate(self) -> None:
        self._connection._give_up()

    def close(self) -> None:
        self._connection._give_up()  # which waits for nothing


class Module:
    """What SQLAlchemy takes for the DB-API module; connections are made by the dialect."""

    def __getattr__(self, name: str) -> Any:
        return getattr(quorlite, name)

    exceptions_module = quorlite


class ExecutionContext(SQLiteExecutionContext):
    def create_server_side_cursor(self) -> Any:
        connection: Any = self._dbapi_connection
        return connection.cursor(server_side=True)


class QuorliteDialect_aio(QuorliteDialect):
    """``create_async_engine("quorlite+aio://node1:9001/app")``."""

    driver = "aio"
    is_async = True
    has_terminate = True
    supports_statement_cache = True
    supports_server_side_cursors = True
    execution_ctx_cls = ExecutionContext

    @classmethod
    def import_dbapi(cls) -> Any:
        return Module()

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        return pool.AsyncAdaptedQueuePool

    def connect(self, *cargs: Any, **cparams: Any) -> Any:
        cluster, database = self._cluster_of(cargs, cparams)
        level = cparams.pop("isolation_level", "DEFERRED")
        made = await_only(quorlite.aio.connect(cluster, database, **cparams)._connect())
        return AdaptedConnection(self.dbapi, made, level)

    def get_driver_connection(self, connection: Any) -> Any:
        return connection._connection

    def do_terminate(self, dbapi_connection: Any) -> None:
        dbapi_connection.terminate()


class Beginner(Protocol[C]):
    """An `AsyncEngine` or an `async_sessionmaker`."""

    def begin(self) -> AbstractAsyncContextManager[C]: ...


async def run(
    target: Beginner[C],
    function: Callable[[C], Awaitable[T]],
    *,
    timeout: float = 30.0,
    idempotent: bool = False,
) -> T:
    """`quorlite.sqlalchemy.run()` for an `AsyncEngine` or an `async_sessionmaker`."""
    attempts = Attempts(timeout, idempotent)
    while True:
        try:
            async with target.begin() as used:
                value = await function(used)
            return value
        except (DBAPIError, quorlite.Error) as error:
            pause = pause_after(attempts, error)
            if pause is None:
                give_up(attempts, error)
        await asyncio.sleep(pause)
