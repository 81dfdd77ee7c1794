"""run(): a transaction of SQLAlchemy, done again as a whole where that is safe."""

from __future__ import annotations

import random
import time
from contextlib import AbstractContextManager
from typing import Callable, Protocol, TypeVar

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
    until = time.monotonic() + timeout
    pause = PAUSE_MIN_S
    while True:
        try:
            with target.begin() as used:
                return function(used)
        except (DBAPIError, quorlite.Error) as error:
            again = is_retriable(error, idempotent=idempotent)
            if not again or time.monotonic() + pause >= until:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, PAUSE_MAX_S)
