"""Pool: connections to one database, shared by threads; and run(), which retries transactions."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any, Callable, Optional, TypeVar, Union

from quorlite import _core
from quorlite._attempts import Attempts
from quorlite._connection import Connection
from quorlite._errors import Error, OperationalError, ProgrammingError

T = TypeVar("T")

# A thread that waits for a connection looks for signals this often.
POOL_STEP_S = 0.2


@dataclasses.dataclass(frozen=True)
class PoolUsage:
    in_use: int
    idle: int
    waiting: int


class Pool:
    """At most `size` connections, made when they are needed; made by `Cluster.pool()`.

    May be used from any thread. The connection used last is handed out first, with its prepared
    statements; one that was idle is asked whether it is well before.
    """

    def __init__(
        self, core: _core.Pool, *, acquire_timeout: float, options: dict[str, Any]
    ) -> None:
        self._core = core
        self._acquire_timeout = acquire_timeout
        self._options = options

    def acquire(self, timeout: Optional[float] = None) -> Connection:
        """A connection; its `close()` gives it back."""
        until = time.monotonic() + (self._acquire_timeout if timeout is None else timeout)
        while True:
            try:
                return Connection(self._core.acquire(), **self._options)
            except OperationalError as error:
                if error.kind != "busy" or time.monotonic() >= until:
                    raise

    @contextlib.contextmanager
    def connection(self, timeout: Optional[float] = None) -> Iterator[Connection]:
        """Lends a connection; commits at the end, or rolls back if there is an exception."""
        db = self.acquire(timeout)
        try:
            with db:
                yield db
        finally:
            db.close()

    def usage(self) -> PoolUsage:
        return PoolUsage(*self._core.usage())

    def close(self) -> None:
        """Hands out no more, and closes what is idle; connections in use stay usable until they are given back."""
        self._core.close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


# What is given to functions as their target.
PoolOrConnection = Union[Pool, Connection]


def run(
    target: PoolOrConnection,
    function: Callable[[Connection], T],
    *,
    timeout: float = 30.0,
    idempotent: bool = False,
    read_only: bool = False,
) -> T:
    """Calls ``function(connection)`` in a transaction, commits, and returns what it returned.

    If that ends as not committed for a reason that may pass (the leader went away, the database
    was locked), everything is done again until the time is over: the function must have no other
    effects than those in the database. Whatever else it raises rolls back and passes through.

    An unknown outcome is an `InDoubtError`, unless the work is `idempotent`: then it is done again.

    :param read_only: Begin with a snapshot instead of with the write lock.
    """
    if isinstance(target, Pool):
        db = target.acquire()
        try:
            return run(
                db, function, timeout=timeout, idempotent=idempotent, read_only=read_only
            )
        finally:
            db.close()
    if target.in_transaction:
        raise ProgrammingError("run() begins a transaction, and one is open: commit it before")
    attempts = Attempts(timeout, idempotent)
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
    while True:
        try:
            return _attempt(target, function, attempts.left(), begin)
        except Error as error:
            pause = attempts.pause_after(error)
            if pause is None:
                attempts.give_up(error)
        time.sleep(pause)


def _attempt(db: Connection, function: Callable[[Connection], T], left: float, begin: str) -> T:
    db._session.execute(begin, timeout=left)
    try:
        value = function(db)
        db.commit()
        return value
    except BaseException:
        db._roll_back_quietly()
        raise
