"""Cluster: where connections and pools come from; and connect(), which makes one of each."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from typing import Any, Optional, Union

from quorlite import _core
from quorlite._address import Place, parse
from quorlite._connection import LEGACY_TRANSACTION_CONTROL, Connection
from quorlite._errors import ProgrammingError
from quorlite._copy import backup
from quorlite._node import Node
from quorlite._pool import POOL_STEP_S, Pool

Target = Union[str, "os.PathLike[str]", Node, "Cluster"]

_TIMES = {"timeout": 30.0, "connect_timeout": 3.0, "busy_timeout": 5.0}


@dataclasses.dataclass(frozen=True)
class NodeInfo:
    """A member of the cluster."""

    id: int
    address: str
    role: str  #: ``"voter"``, ``"standby"`` or ``"spare"``


@dataclasses.dataclass(frozen=True)
class NodeHealth:
    """A member of the cluster, and how it answered."""

    id: int
    address: str
    role: str
    reachable: bool
    leader: bool
    latency: float  #: of one round trip, in seconds
    trouble: str  #: why it is not reachable


class Cluster:
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
        unknown = [name for name, _ in place.options if name not in _TIMES]
        if unknown:
            raise ProgrammingError(f"there is no option {unknown[0]!r}: use {', '.join(_TIMES)}")
        self.database = place.database
        if place.store is not None:
            self._core = _core.Cluster.of_store(place.store, **times)
        else:
            self._core = _core.Cluster(list(place.addresses), **times)

    def connect(
        self,
        database: Optional[str] = None,
        *,
        detect_types: int = 0,
        isolation_level: Optional[str] = "IMMEDIATE",
        autocommit: Union[bool, int] = LEGACY_TRANSACTION_CONTROL,
    ) -> Connection:
        """A connection to a database, which is created if it is missing."""
        name = self._name(database)
        return Connection(
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
        **habits: Any,
    ) -> Pool:
        """A pool of connections to a database; further arguments are those of `connect`."""
        if size < 1:
            raise ProgrammingError("a pool has room for one connection at least")
        core = _core.Pool(self._core, self._name(database), size, POOL_STEP_S)
        habits.update(cluster=self, database=self._name(database))
        return Pool(core, acquire_timeout=acquire_timeout, habits=habits)

    # ---- Administration ----

    def nodes(self) -> list[NodeInfo]:
        """The cluster's own list, from the leader."""
        return [NodeInfo(*each) for each in self._core.nodes()]

    def leader(self) -> NodeInfo:
        return NodeInfo(*self._core.leader())

    def status(self) -> list[NodeHealth]:
        """All nodes that are known, each asked; those that do not answer are listed as well."""
        return [NodeHealth(*each) for each in self._core.status()]

    def add(self, address: str, id: int, role: str = "voter") -> None:  # noqa: A002
        """Makes a node, which must be running, a member."""
        self._core.add(address, id, role)

    def assign(self, id: int, role: str) -> None:  # noqa: A002
        """Gives a member a role: ``"voter"``, ``"standby"`` or ``"spare"``."""
        self._core.assign(id, role)

    def remove(self, id: int) -> None:  # noqa: A002
        self._core.remove(id)

    def transfer(self, id: int = 0) -> None:  # noqa: A002
        """Makes another node the leader; 0 lets the cluster choose."""
        self._core.transfer(id)

    def backup(
        self,
        target: Union[str, os.PathLike[str], sqlite3.Connection],
        database: Optional[str] = None,
        *,
        node: str = "",
    ) -> None:
        """A copy of a database, as one file of SQLite or in a connection of `sqlite3`.

        :param node: The address of the node that gives it, which may lag behind; the leader if
            there is none.
        """
        backup(self._core, self._name(database), target, node)

    def _name(self, database: Optional[str]) -> str:
        name = database if database is not None else self.database
        if not name:
            raise ProgrammingError("no database is named: write host:port/database")
        return name


def _time(place: Place, name: str, given: Optional[float]) -> float:
    if given is not None:
        return given
    for option, value in place.options:
        if option == name:
            try:
                return float(value)
            except ValueError:
                raise ProgrammingError(f"{name}={value} is no number of seconds") from None
    return _TIMES[name]


def connect(
    target: Target,
    database: Optional[str] = None,
    *,
    timeout: Optional[float] = None,
    connect_timeout: Optional[float] = None,
    busy_timeout: Optional[float] = None,
    **habits: Any,
) -> Connection:
    """Connects to a database: ``connect("host:port,host:port/name")``.

    The target may also be a URL (``quorlite://host:port/name?timeout=5``), the path of a node store
    (``cluster.yaml``, with `database`), an embedded `Node` or a `Cluster`. Further arguments are
    those of `Cluster` and `Cluster.connect`.
    """
    if isinstance(target, Cluster):
        return target.connect(database, **habits)
    cluster = Cluster(
        target, timeout=timeout, connect_timeout=connect_timeout, busy_timeout=busy_timeout
    )
    return cluster.connect(database, **habits)
