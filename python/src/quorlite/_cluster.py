"""Cluster: where connections and pools come from; and connect(), which makes one of each."""

from __future__ import annotations

import os
from typing import Any, Callable, Optional, Union

from quorlite import _core
from quorlite._address import Place, parse
from quorlite._administration import TIMES, Administration
from quorlite._connection import LEGACY_TRANSACTION_CONTROL, Connection
from quorlite._errors import ProgrammingError
from quorlite._node import Node
from quorlite._pool import POOL_STEP_S, Pool

Target = Union[str, "os.PathLike[str]", Node, "Cluster"]

class Cluster(Administration):
    """A list of nodes, kept up to date with the cluster's own, and which of them leads.

    What one connection learns of the cluster all know. May be used from any thread.

    :param target: ``"host:port,host:port"``, a URL, a node store's path, or an embedded node.
    :param timeout: How long a call may take in all, retrying included, in seconds.
    :param connect_timeout: How long one node may take to accept a connection.
    :param busy_timeout: How long a locked database is tried again.
    """

    def __init__(
        self,
        target: Union[str, os.PathLike[str], Node],
        *,
        timeout: Optional[float] = None,
        connect_timeout: Optional[float] = None,
        busy_timeout: Optional[float] = None,
    ) -> None:
        place = Place(addresses=(target.address,)) if isinstance(target, Node) else parse(target)
        given = {
            "timeout": timeout,
            "connect_timeout": connect_timeout,
            "busy_timeout": busy_timeout,
        }
        times = {name: _time(place, name, value) for name, value in given.items()}
        unknown = [name for name, _ in place.options if name not in TIMES]
        if unknown:
            raise ProgrammingError(f"there is no option {unknown[0]!r}: use {', '.join(TIMES)}")
        if place.store is not None:
            core = _core.Cluster.of_store(place.store, **times)
        else:
            core = _core.Cluster(list(place.addresses), **times)
        super().__init__(core, place.database)

    def connect(
        self,
        database: Optional[str] = None,
        *,
        detect_types: int = 0,
        isolation_level: Optional[str] = "IMMEDIATE",
        autocommit: Union[bool, int] = LEGACY_TRANSACTION_CONTROL,
        factory: Callable[..., Connection] = Connection,
    ) -> Connection:
        """A connection to a database, which is created if it is missing.

        :param factory: Makes the connection: a class derived from `Connection`.
        """
        name = self._name(database)
        return factory(
            self._core.connect(name),
            cluster=self,
            database=name,
            detect_types=detect_types,
            isolation_level=isolation_level,
            autocommit=autocommit,
        )

    def pool(
        self,
        database: Optional[str] = None,
        *,
        size: int = 8,
        acquire_timeout: float = 30.0,
        **options: Any,
    ) -> Pool:
        """A pool of connections to a database; further arguments are those of `connect`."""
        if size < 1:
            raise ProgrammingError("a pool has room for one connection at least")
        core = _core.Pool(self._core, self._name(database), size, POOL_STEP_S)
        options.update(cluster=self, database=self._name(database))
        return Pool(core, acquire_timeout=acquire_timeout, options=options)


def _time(place: Place, name: str, given: Optional[float]) -> float:
    if given is not None:
        return given
    for option, value in place.options:
        if option == name:
            try:
                return float(value)
            except ValueError:
                raise ProgrammingError(f"{name}={value} is no number of seconds") from None
    return TIMES[name]


def connect(
    target: Target,
    database: Optional[str] = None,
    *,
    timeout: Optional[float] = None,
    connect_timeout: Optional[float] = None,
    busy_timeout: Optional[float] = None,
    **options: Any,
) -> Connection:
    """Connects to a database: ``connect("host:port,host:port/name")``.

    The target may also be a URL (``quorlite://host:port/name?timeout=5``), the path of a node store
    (``cluster.yaml``, with `database`), an embedded `Node` or a `Cluster`. Further arguments are
    those of `Cluster` and `Cluster.connect`.
    """
    if isinstance(target, Cluster):
        return target.connect(database, **options)
    cluster = Cluster(
        target, timeout=timeout, connect_timeout=connect_timeout, busy_timeout=busy_timeout
    )
    return cluster.connect(database, **options)
