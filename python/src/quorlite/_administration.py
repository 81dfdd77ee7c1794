"""Administration: the nodes of a cluster, asked and changed; and copies of its databases."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from typing import Optional, Union

from quorlite import _core
from quorlite._copy import backup
from quorlite._errors import ProgrammingError

# What a cluster's calls may take, in seconds.
TIMES = {"timeout": 30.0, "connect_timeout": 3.0, "busy_timeout": 5.0}


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


class Administration:
    """What can be asked of a cluster without a connection to one of its databases."""

    def __init__(self, core: _core.Cluster, database: Optional[str] = None) -> None:
        self._core = core
        self.database = database

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
