"""QuorliteDialect: SQLAlchemy's dialect for SQLite, over DB-API connections of this package."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Optional

from sqlalchemy import exc, pool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import URL, Connection

import quorlite
from quorlite._address import parse

# SQLAlchemy's levels, as what connections of this package have.
_LEVELS: dict[str, Optional[str]] = {
    "SERIALIZABLE": "DEFERRED",
    "IMMEDIATE": "IMMEDIATE",
    "AUTOCOMMIT": None,
}
_TIMES = ("timeout", "connect_timeout", "busy_timeout")
# After these nothing is left that was made on the connection: temporary tables, PRAGMA settings.
_BROKEN = {"connection", "unavailable", "protocol"}


def url(target: str, driver: str = "quorlite", **query: str) -> URL:
    """An URL for ``"host:port,host:port/database"``, a node store's path or an URL of quorlite.

    :param driver: ``"quorlite"`` or ``"quorlite+aio"``.
    """
    place = parse(target)
    options = {**dict(place.options), **query}
    if place.store is not None:
        return URL.create(driver, database=place.database, query={"store": place.store, **options})
    more = place.addresses[1:]
    nodes = {"host": more[0] if len(more) == 1 else more} if more else {}
    host, _, port = place.addresses[0].rpartition(":")
    return URL.create(
        driver, host=host.strip("[]"), port=int(port), database=place.database,
        query={**nodes, **options},
    )  # fmt: skip


def nodes_of(found: URL) -> str:
    """The part of what `quorlite.connect()` takes that says where the nodes are."""
    query = found.query
    store = query.get("store")
    if isinstance(store, str):
        return store
    more = query.get("host", ())
    named = (found.host or "").split(",") + ([more] if isinstance(more, str) else list(more))
    nodes = [_address(each, found.port) for each in named if each]
    if not nodes:
        raise exc.ArgumentError(f"{found} names no node: write quorlite://host:port/database")
    return ",".join(nodes)


def _address(host: str, port: Optional[int]) -> str:
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    if host.endswith("]") or ":" not in host:
        if port is None:
            raise exc.ArgumentError(f"the node {host} has no port: write {host}:9001")
        return f"{host}:{port}"
    return host


# For the engines of this process: what one connection learns of the cluster all know.
@functools.lru_cache(maxsize=64)
def _cluster(_process: int, nodes: str, times: tuple[Optional[float], ...]) -> quorlite.Cluster:
    return quorlite.Cluster(nodes, **dict(zip(_TIMES, times)))


def _unwrap(connection: Any) -> Any:
    """The connection itself, where SQLAlchemy gives one that stands for it."""
    return getattr(connection, "dbapi_connection", connection)


class QuorliteDialect(SQLiteDialect):
    """``create_engine("quorlite://node1:9001/app")``."""

    driver = "quorlite"
    default_paramstyle = "qmark"
    supports_statement_cache = True
    returns_native_bytes = True
    isolation_level: Optional[str]

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        return quorlite

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        return pool.QueuePool

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Any]:
        loaded: type[Any] = registry.load("quorlite.aio")
        return loaded

    # ---- Connections ----

    def create_connect_args(self, url: URL) -> tuple[Sequence[Any], dict[str, Any]]:
        unknown = set(url.query) - {"host", "store", *_TIMES}
        if unknown:
            raise exc.ArgumentError(
                f"there is no option {sorted(unknown)[0]!r}: use host, store, {', '.join(_TIMES)}"
            )
        if not url.database:
            raise exc.ArgumentError(f"{url} names no database: write quorlite://host:port/database")
        try:
            times = {name: float(str(url.query[name])) for name in _TIMES if name in url.query}
        except ValueError as error:
            raise exc.ArgumentError(f"{url}: a time is a number of seconds: {error}") from None
        return [nodes_of(url), url.database], times

    def connect(self, *cargs: Any, **cparams: Any) -> Any:
        cluster, database = self._cluster_of(cargs, cparams)
        cparams.setdefault("isolation_level", "DEFERRED")
        return cluster.connect(database, **cparams)

    def _cluster_of(
        self, cargs: tuple[Any, ...], cparams: dict[str, Any]
    ) -> tuple[quorlite.Cluster, str]:
        nodes, database = cargs
        times = tuple(cparams.pop(name, None) for name in _TIMES)
        return _cluster(os.getpid(), nodes, times), database

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        if not isinstance(e, quorlite.Error):
            return False
        return e.kind in _BROKEN or str(e) == "the connection is closed"

    def do_ping(self, dbapi_connection: Any) -> bool:
        dbapi_connection.ping()
        return True

    def _get_server_version_info(self, connection: Connection) -> tuple[int, ...]:
        version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
        return tuple(int(part) for part in version.split("."))

    # ---- Transactions ----
    #
    # Between transactions a connection is in the mode of old in which only writing begins one, so
    # that settings by PRAGMA, as listeners of "connect" make them, have their effect.

    def get_isolation_level_values(self, dbapi_conn: Any) -> list[Any]:
        return list(_LEVELS)

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        dbapi_connection.isolation_level = _LEVELS[level]

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        current = dbapi_connection.isolation_level
        return next(name for name, value in _LEVELS.items() if value == current)

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        return dbapi_conn.isolation_level is None

    def do_begin(self, dbapi_connection: Any) -> None:
        used = _unwrap(dbapi_connection)
        if used.isolation_level is None:
            return
        used.autocommit = False
        if used.isolation_level == "IMMEDIATE":
            used.execute("BEGIN IMMEDIATE")

    def do_savepoint(self, connection: Connection, name: str) -> None:
        # As the first statement it would be the transaction, and releasing it would commit.
        used = _unwrap(connection.connection)
        if used.isolation_level is not None and not used.in_transaction:
            used.execute("BEGIN IMMEDIATE")
        super().do_savepoint(connection, name)  # type: ignore[no-untyped-call]

    def do_commit(self, dbapi_connection: Any) -> None:
        super().do_commit(dbapi_connection)  # type: ignore[no-untyped-call]
        _unwrap(dbapi_connection).autocommit = quorlite.LEGACY_TRANSACTION_CONTROL

    def do_rollback(self, dbapi_connection: Any) -> None:
        super().do_rollback(dbapi_connection)  # type: ignore[no-untyped-call]
        _unwrap(dbapi_connection).autocommit = quorlite.LEGACY_TRANSACTION_CONTROL
