"""run(): a transaction of SQLAlchemy, done again as a whole where that is safe."""

from __future__ import annotations

import random
import time
from contextlib import AbstractContextManager
from typing import Callable, Optional, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError

import quorlite
from quorlite._pool import PAUSE_MAX_S, PAUSE_MIN_S

T = TypeVar("T")
C = TypeVar("C", covariant=True)


class Beginner(Protocol[C]):
    """An `Engine` or a `sessionmaker`."""

    def begin(self) -> AbstractContextManager[C]: ...


def is_retriable(error: BaseException, *, idempotent: bool = False) -> bool:
    """Whether the transaction that failed so may be done again: it has no effect, and could succeed.

    :param idempotent: Doing it twice does no harm: it may be done again also in doubt.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, quorlite.Error):
        return False
    return cause.retriable and (idempotent or cause.verdict == "not_committed")


class Attempts:
    """When a transaction is tried again."""

    def __init__(self, timeout: float, idempotent: bool) -> None:
        self._until = time.monotonic() + timeout
        self._idempotent = idempotent
        self._pause = PAUSE_MIN_S

    def pause_after(self, error: BaseException) -> Optional[float]:
        """How long to wait before the next attempt; None if there must be none."""
        pause, self._pause = self._pause, min(self._pause * 2, PAUSE_MAX_S)
        again = is_retriable(error, idempotent=self._idempotent)
        if not again or time.monotonic() + pause >= self._until:
            return None
        return pause * random.uniform(0.5, 1.0)


def run(
    target: Beginner[C],
    function: Callable[[C], T],
    *,
    timeout: float = 30.0,
    idempotent: bool = False,
) -> T:
    """Calls ``function(connection)``, or ``function(session)``, in a transaction and commits.

    If that ends as not committed for a reason that may pass, everything is done again until the
    time is over: the function must have no other effects than those in the database. An unknown
    outcome is an `InDoubtError` (as the `orig` of SQLAlchemy's error), unless it is `idempotent`.

    :param target: An `Engine`, or a `sessionmaker`.
    """
    attempts = Attempts(timeout, idempotent)
    while True:
        try:
            with target.begin() as used:
                value = function(used)
            return value
        except (DBAPIError, quorlite.Error) as error:
            pause = attempts.pause_after(error)
            if pause is None:
                raise
        time.sleep(pause)
