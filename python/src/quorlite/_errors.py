"""The exceptions: PEP 249's tree, and what is special about a replicated database.

Each error says what became of the work (`verdict`) and whether the same may be tried again
(`may_retry`). What nobody can know is an `InDoubtError`.
"""

from __future__ import annotations

import warnings
from typing import Literal, Optional

from quorlite._codes import _NAMES

Verdict = Literal["committed", "not_committed", "in_doubt"]


class Warning(Exception):  # noqa: A001 (the name is PEP 249's)
    """Important warnings; never raised at present."""


class Error(Exception):
    """The base of all errors of this package."""

    #: SQLite's extended result code, or one of dqlite's; 0 if the error has none.
    sqlite_errorcode: int = 0
    #: Its name, such as ``"SQLITE_CONSTRAINT_UNIQUE"``.
    sqlite_errorname: str = ""
    #: What became of the work. Inside a transaction the work is the whole transaction.
    verdict: Verdict = "not_committed"
    #: It is safe to try the same call again, or in a transaction the whole transaction, and that
    #: may help. Never true of what is in doubt unless that was declared idempotent.
    may_retry: bool = False
    #: What kind of failure it is: ``"sql"``, ``"busy"``, ``"unavailable"``, ``"connection"``,
    #: ``"deadline"``, ``"cancelled"``, ``"protocol"``, ``"usage"``, ``"conversion"``, ``"store"``.
    kind: str = "usage"
    #: HOST:PORT of the node concerned, if there is one.
    node: Optional[str] = None

    @property
    def retriable(self) -> bool:
        """Deprecated: the old name of `may_retry`."""
        _warn_of_retriable()
        return self.may_retry

    @retriable.setter
    def retriable(self, value: bool) -> None:
        _warn_of_retriable()
        self.may_retry = value


def _warn_of_retriable() -> None:
    warnings.warn("Error.retriable is now may_retry", DeprecationWarning, stacklevel=3)


class InterfaceError(Error):
    """An error of the interface rather than of the database."""


class DatabaseError(Error):
    """The base of the errors that concern the database."""


class DataError(DatabaseError):
    """A value is out of range, or cannot be converted."""


class OperationalError(DatabaseError):
    """Not in the programmer's hands: no leader, a deadline, a broken connection, a lock."""


class IntegrityError(DatabaseError):
    """A constraint is violated."""


class InternalError(DatabaseError):
    """The database met an internal error."""


class ProgrammingError(DatabaseError):
    """The call makes no sense: the message says why."""


class NotSupportedError(DatabaseError):
    """Something that cannot exist over a wire; the message says what to do instead."""


class InDoubtError(OperationalError):
    """Nobody can know whether the work was done: only looking at the data can tell.

    Never retried by this package unless the caller said that the work is idempotent.
    """


class NodeError(OperationalError):
    """An embedded node could not be started, or does not work. `reason` says which kind it is."""

    #: ``"options"``, ``"directory"``, ``"listen"``, ``"join"``, ``"removed"``, ``"timeout"`` or
    #: ``"other"``.
    reason: str = "other"


def _name_of(code: int) -> str:
    return _NAMES.get(code) or _NAMES.get(code & 0xFF, "")


# By SQLite's primary code, as sqlite3 does it.
_BY_CODE: dict[int, type[Error]] = {
    2: InternalError,
    12: InternalError,
    11: DatabaseError,
    18: DataError,
    19: IntegrityError,
    20: IntegrityError,
    21: ProgrammingError,
    25: ProgrammingError,
    26: DatabaseError,
}
_BY_KIND: dict[str, type[Error]] = {
    "usage": ProgrammingError,
    "conversion": DataError,
}

_VERDICTS: dict[str, Verdict] = {
    "committed": "committed",
    "not committed": "not_committed",
    "in doubt": "in_doubt",
}


def from_core(
    kind: str,
    code: int,
    extended_code: int,
    message: str,
    node: str,
    verdict: str,
    may_retry: bool,
) -> Exception:
    """The exception for a failure that the core describes."""
    if verdict == "in doubt":
        made: Error = InDoubtError(message)
    elif kind == "sql":
        made = _BY_CODE.get(code, OperationalError)(message)
    else:
        made = _BY_KIND.get(kind, OperationalError)(message)
    made.kind = kind
    made.sqlite_errorcode = extended_code
    made.sqlite_errorname = _name_of(extended_code)
    made.node = node or None
    made.verdict = _VERDICTS[verdict]
    made.may_retry = may_retry
    return made


def in_doubt(error: Error) -> InDoubtError:
    """The same error, of work of which an earlier attempt may have been done."""
    made = InDoubtError(*error.args)
    made.__dict__.update(error.__dict__)
    made.verdict = "in_doubt"
    return made


def from_node(reason: str, message: str) -> Exception:
    made = NodeError(message)
    made.reason = reason
    made.kind = "unavailable"
    return made
