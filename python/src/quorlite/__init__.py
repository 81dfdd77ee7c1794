"""Highly available SQL, used like `sqlite3`.

    import quorlite

    db = quorlite.connect("node1:9001,node2:9001,node3:9001/app")
    with db:
        db.execute("INSERT INTO people(name, age) VALUES(?, ?)", ("Ada", 36))
    for name, age in db.execute("SELECT name, age FROM people"):
        print(name, age)
"""

from sqlite3 import complete_statement

from quorlite import _core
from quorlite._adapt import (
    BINARY,
    DATETIME,
    NUMBER,
    PARSE_COLNAMES,
    PARSE_DECLTYPES,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    PrepareProtocol,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
    converters,
    register_adapter,
    register_converter,
)
from quorlite._administration import NodeHealth, NodeInfo
from quorlite._cluster import Cluster, connect
from quorlite._codes import *  # noqa: F403
from quorlite._connection import LEGACY_TRANSACTION_CONTROL, Connection, Cursor
from quorlite._errors import (
    DatabaseError,
    DataError,
    Error,
    InDoubtError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NodeError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)
from quorlite._limits import *  # noqa: F403
from quorlite._node import Node, NodeStatus
from quorlite._pool import Pool, PoolUsage, run
from quorlite._row import Row

__version__ = "0.1.0"

#: PEP 249. Threads may share the module and connections; a connection's calls run one by one.
apilevel = "2.0"
threadsafety = 2
paramstyle = "qmark"

#: Of SQLite in embedded nodes; that of others answers ``SELECT sqlite_version()``.
sqlite_version = _core.sqlite_version
#: Whose build of SQLite that is: "built in", or "the system's".
sqlite_origin = _core.sqlite_origin
sqlite_version_info = tuple(int(part) for part in sqlite_version.split("."))

__all__ = [
    "BINARY",
    "DATETIME",
    "LEGACY_TRANSACTION_CONTROL",
    "NUMBER",
    "PARSE_COLNAMES",
    "PARSE_DECLTYPES",
    "ROWID",
    "STRING",
    "Binary",
    "Cluster",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "InDoubtError",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "Node",
    "NodeError",
    "NodeHealth",
    "NodeInfo",
    "NodeStatus",
    "NotSupportedError",
    "OperationalError",
    "Pool",
    "PoolUsage",
    "PrepareProtocol",
    "ProgrammingError",
    "Row",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "complete_statement",
    "connect",
    "converters",
    "paramstyle",
    "register_adapter",
    "register_converter",
    "run",
    "sqlite_origin",
    "sqlite_version",
    "sqlite_version_info",
    "threadsafety",
]
