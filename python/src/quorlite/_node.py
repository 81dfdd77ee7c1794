"""Node: a member of a cluster inside this process."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import textwrap
from collections.abc import Sequence
from typing import Union

from quorlite import _core
from quorlite._administration import TIMES, Administration

@dataclasses.dataclass(frozen=True)
class NodeStatus:
    """What a node knows of itself and of the cluster."""

    id: int
    address: str
    role: str  #: ``"leader"``, ``"follower"`` or ``"candidate"``
    leader_id: int  #: 0 if it is not known
    leader_address: str
    term: int
    last_index: int
    committed_index: int
    applied_index: int
    clients: int
    memory_bytes: int
    log_bytes: int


class Node:
    """A node with its data in `directory`; a context manager that stops it.

    A new node needs an address, and either members to join or `bootstrap`, which makes it the first
    of a new cluster. Later the directory is enough.

    :param join: Members of the cluster that a new node is to join.
    :param bootstrap: A new node founds a cluster. Where there is one already this makes a second.
    :param listen: HOST:PORT to bind instead of the address.
    :param wait: How many seconds to wait until the node is a member and knows a leader; 0 to
        return at once.
    :param options: What follows; times in seconds, sizes in bytes.
    """

    def __init__(
        self,
        directory: Union[str, os.PathLike[str]],
        address: str = "",
        *,
        join: Union[str, Sequence[str]] = (),
        bootstrap: bool = False,
        listen: str = "",
        id: int = 0,  # noqa: A002
        log_level: str = "warning",
        wait: float = 20.0,
        **options: object,
    ) -> None:
        self._core = _core.Node(
            {
                "directory": os.fspath(directory),
                "address": address,
                "listen": listen,
                "join": [join] if isinstance(join, str) else list(join),
                "bootstrap": bootstrap,
                "id": id,
                "log_level": log_level,
                **options,
            }
        )
        if wait > 0:
            try:
                self.wait_ready(wait)
            except BaseException:
                self.stop()
                raise

    @property
    def address(self) -> str:
        """HOST:PORT, as others reach it."""
        return self.status().address

    def wait_ready(self, timeout: float = 20.0) -> None:
        """Waits until the node is a member and knows a leader."""
        self._core.wait_ready(timeout)

    def status(self) -> NodeStatus:
        return NodeStatus(**self._core.status())

    def handover(self) -> bool:
        """Makes another voter the leader. True once this node does not lead (any more)."""
        return self._core.handover()

    def snapshot(
        self, target: Union[str, os.PathLike[str], sqlite3.Connection], database: str
    ) -> None:
        """A copy of a database as this node has applied it, leader or not, while it goes on.

        :param target: A path for one file of SQLite, or a connection of `sqlite3`.
        :raises OperationalError: There is no such database, or the node has been stopped.
        """
        own = Administration(_core.Cluster([self.address], **TIMES))
        own.backup(target, database, node=self.address)

    def stop(self) -> None:
        """Hands leadership over, lets running requests end, and stops. Twice does no harm."""
        self._core.stop()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


Node.__doc__ = f"{Node.__doc__}\n{textwrap.indent(_core.describe_node_options(), '    ')}"
