"""run(): a transaction of SQLAlchemy, done again as a whole where that is safe."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Callable, NoReturn, Optional, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError

import quorlite
from quorlite._attempts import Attempts, may_rerun

T = TypeVar("T")
C = TypeVar("C", covariant=True)


class Beginner(Protocol[C]):
    """An `Engine` or a `sessionmaker`."""

    def begin(self) -> AbstractContextManager[C]: ...


def is_retriable(error: BaseException, *, idempotent: bool = False) -> bool:
    """Whether the transaction that failed so may be done again: it has no effect, and could succeed.

    :param idempotent: Doing it twice does no harm: it may be done again also in doubt.
    """
    cause = cause_of(error)
    return isinstance(cause, quorlite.Error) and may_rerun(cause, idempotent)


def cause_of(error: BaseException) -> Optional[BaseException]:
    """What the driver said, without what SQLAlchemy puts around it."""
    return error.orig if isinstance(error, DBAPIError) else error


def pause_after(attempts: Attempts, error: BaseException) -> Optional[float]:
    """As `Attempts.pause_after`, of an error of SQLAlchemy."""
    cause = cause_of(error)
    return attempts.pause_after(cause) if isinstance(cause, quorlite.Error) else None


def give_up(attempts: Attempts, error: BaseException) -> NoReturn:
    """As `Attempts.give_up`: the error of SQLAlchemy holds the one that is right."""
    cause = cause_of(error)
    if isinstance(cause, quorlite.Error):
        if not isinstance(error, DBAPIError):
            attempts.give_up(cause)
        error.orig = attempts.judged(cause)
    raise


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
            pause = pause_after(attempts, error)
            if pause is None:
                give_up(attempts, error)
        time.sleep(pause)
