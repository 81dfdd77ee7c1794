"""The exceptions: PEP 249's tree, and what is special about a replicated database.

Each error says what became of the work (`verdict`) and whether trying the same again may help
(`retriable`). An outcome that nobody can know is an `InDoubtError`.
"""

from __future__ import annotations

from typing import Literal, Optional

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
    #: The same call, or the whole transaction, may succeed if it is tried again.
    retriable: bool = False
    #: What kind of failure it is: ``"sql"``, ``"busy"``, ``"unavailable"``, ``"connection"``,
    #: ``"deadline"``, ``"cancelled"``, ``"protocol"``, ``"usage"``, ``"conversion"``, ``"store"``.
    kind: str = "usage"
    #: HOST:PORT of the node concerned, if there is one.
    node: Optional[str] = None


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


_DQLITE_NAMES = {
    1001: "DQLITE_ERROR",
    1002: "DQLITE_NOTFOUND",
    1003: "DQLITE_NOMEM",
    1004: "DQLITE_PARSE",
    1005: "DQLITE_PROTO",
    10250: "SQLITE_IOERR_NOT_LEADER",
    10506: "SQLITE_IOERR_LEADERSHIP_LOST",
}

# Codes of SQLite as of 3.40 that sqlite3 of some versions of Python has no constant for.
_NAMES = {
    0: "SQLITE_OK", 1: "SQLITE_ERROR", 2: "SQLITE_INTERNAL", 3: "SQLITE_PERM", 4: "SQLITE_ABORT",
    5: "SQLITE_BUSY", 6: "SQLITE_LOCKED", 7: "SQLITE_NOMEM", 8: "SQLITE_READONLY",
    9: "SQLITE_INTERRUPT", 10: "SQLITE_IOERR", 11: "SQLITE_CORRUPT", 12: "SQLITE_NOTFOUND",
    13: "SQLITE_FULL", 14: "SQLITE_CANTOPEN", 15: "SQLITE_PROTOCOL", 16: "SQLITE_EMPTY",
    17: "SQLITE_SCHEMA", 18: "SQLITE_TOOBIG", 19: "SQLITE_CONSTRAINT", 20: "SQLITE_MISMATCH",
    21: "SQLITE_MISUSE", 22: "SQLITE_NOLFS", 23: "SQLITE_AUTH", 24: "SQLITE_FORMAT",
    25: "SQLITE_RANGE", 26: "SQLITE_NOTADB", 275: "SQLITE_CONSTRAINT_CHECK",
    531: "SQLITE_CONSTRAINT_COMMITHOOK", 787: "SQLITE_CONSTRAINT_FOREIGNKEY",
    1043: "SQLITE_CONSTRAINT_FUNCTION", 1299: "SQLITE_CONSTRAINT_NOTNULL",
    1555: "SQLITE_CONSTRAINT_PRIMARYKEY", 1811: "SQLITE_CONSTRAINT_TRIGGER",
    2067: "SQLITE_CONSTRAINT_UNIQUE", 2323: "SQLITE_CONSTRAINT_VTAB",
    2579: "SQLITE_CONSTRAINT_ROWID", 2835: "SQLITE_CONSTRAINT_PINNED",
    3091: "SQLITE_CONSTRAINT_DATATYPE", 261: "SQLITE_BUSY_RECOVERY", 517: "SQLITE_BUSY_SNAPSHOT",
    773: "SQLITE_BUSY_TIMEOUT", 262: "SQLITE_LOCKED_SHAREDCACHE", 257: "SQLITE_ERROR_MISSING_COLLSEQ",
    513: "SQLITE_ERROR_RETRY", 769: "SQLITE_ERROR_SNAPSHOT",
}  # fmt: skip


def _name_of(code: int) -> str:
    return _NAMES.get(code) or _DQLITE_NAMES.get(code) or _NAMES.get(code & 0xFF, "")


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
    retriable: bool,
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
    made.retriable = retriable
    return made


def from_node(reason: str, message: str) -> Exception:
    made = NodeError(message)
    made.reason = reason
    made.kind = "unavailable"
    return made
