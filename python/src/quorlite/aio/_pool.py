"""Pool: connections to one database, shared by tasks; and run(), which retries transactions."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Callable, Optional, TypeVar, Union

from quorlite._attempts import Attempts
from quorlite._errors import Error, OperationalError, ProgrammingError
from quorlite._pool import PoolUsage
from quorlite.aio._connection import Connection, Target, connect

T = TypeVar("T")

# A connection that was idle for longer is asked whether it is well before it is handed out.
_IDLE_S = 5.0


class Pool:
    """At most `size` connections, made when they are needed; made by `create_pool()`.

    The connection used last is handed out first, with its prepared statements. Of one event loop.
    """

    def __init__(self, connecting: connect, *, size: int, acquire_timeout: float) -> None:
        if size < 1:
            raise ProgrammingError("a pool has room for one connection at least")
        self._connecting = connecting
        self._size = size
        self._acquire_timeout = acquire_timeout
        self._semaphore: Optional[asyncio.Semaphore] = None
        self._idle: list[tuple[Connection, float]] = []
        self._in_use = 0
        self._waiting = 0
        self._closed = False

    async def acquire(self, timeout: Optional[float] = None) -> Connection:
        """A connection, to be given back by `release()`."""
        self._check_open()
        await self._wait(self._acquire_timeout if timeout is None else timeout)
        try:
            connection = await self._ready()
        except BaseException:
            self._room.release()
            raise
        self._in_use += 1
        return connection

    @property
    def _room(self) -> asyncio.Semaphore:
        # Made in the loop: CPython 3.9's binds itself to the one there is when it is made.
        if self._semaphore is None:
            self._semaphore = asyncio.Semaphore(self._size)
        return self._semaphore

    async def _wait(self, timeout: float) -> None:
        self._waiting += 1
        try:
            await asyncio.wait_for(self._room.acquire(), timeout)
        except asyncio.TimeoutError:
            error = OperationalError(
                f"all {self._size} connections of the pool were in use for {timeout} s: give it "
                "more, or use them for shorter"
            )
            error.kind = "busy"
            error.may_retry = True
            raise error from None
        finally:
            self._waiting -= 1

    async def _ready(self) -> Connection:
        self._check_open()
        while self._idle:
            connection, since = self._idle.pop()
            if connection._closed:
                continue
            if time.monotonic() - since > _IDLE_S:
                try:
                    await connection.ping()
                except BaseException:
                    await connection.close()
                    raise
            return connection
        return await self._connecting

    async def release(self, connection: Connection) -> None:
        """Gives a connection back; an open transaction is rolled back."""
        try:
            await connection._roll_back_quietly()
        finally:
            self._in_use -= 1
            if self._closed:
                await connection.close()
            elif not connection._closed:
                self._idle.append((connection, time.monotonic()))
            self._room.release()

    @contextlib.asynccontextmanager
    async def connection(self, timeout: Optional[float] = None) -> AsyncIterator[Connection]:
        """Lends a connection."""
        connection = await self.acquire(timeout)
        try:
            yield connection
        finally:
            await self.release(connection)

    @contextlib.asynccontextmanager
    async def transaction(
        self, *, read_only: bool = False, timeout: Optional[float] = None
    ) -> AsyncIterator[Connection]:
        """Lends a connection with an open transaction; see `Connection.transaction`."""
        async with self.connection(timeout) as db, db.transaction(read_only=read_only):
            yield db

    def usage(self) -> PoolUsage:
        return PoolUsage(in_use=self._in_use, idle=len(self._idle), waiting=self._waiting)

    async def close(self) -> None:
        """Hands out no more; connections in use stay usable until they are given back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            await connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ProgrammingError("the pool is closed")

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


def create_pool(
    target: Target,
    database: Optional[str] = None,
    *,
    size: int = 8,
    acquire_timeout: float = 30.0,
    **options: Any,
) -> Pool:
    """A pool of connections to a database; further arguments are those of `connect`."""
    return Pool(connect(target, database, **options), size=size, acquire_timeout=acquire_timeout)


async def run(
    target: Union[Pool, Connection],
    function: Callable[[Connection], Awaitable[T]],
    *,
    timeout: float = 30.0,
    idempotent: bool = False,
    read_only: bool = False,
) -> T:
    """Awaits ``function(connection)`` in a transaction, commits, and returns what it returned.

    If that ends as not committed for a reason that may pass (the leader went away, the database
    was locked), everything is done again until the time is over: the function must have no other
    effects than those in the database. Whatever else it raises rolls back and passes through.

    An unknown outcome is an `InDoubtError`, unless the work is `idempotent`: then it is done again.
    """
    if isinstance(target, Pool):
        async with target.connection() as db:
            return await run(
                db, function, timeout=timeout, idempotent=idempotent, read_only=read_only
            )
    attempts = Attempts(timeout, idempotent)
    while True:
        try:
            async with target.transaction(read_only=read_only, timeout=attempts.left()):
                value = await function(target)
            return value
        except Error as error:
            pause = attempts.pause_after(error)
            if pause is None or target._closed:
                attempts.give_up(error)
        await asyncio.sleep(pause)
