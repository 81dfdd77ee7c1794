"""For tests: throw-away clusters of three nodes in this process, and pytest fixtures of them.

In a ``conftest.py``::

    pytest_plugins = ["quorlite.testing"]

and then in tests::

    def test_people(quorlite_db):
        quorlite_db.execute("CREATE TABLE people(name)")
"""

from __future__ import annotations

import itertools
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import quorlite

try:
    import pytest
except ImportError:  # the clusters work without it
    pytest = None  # type: ignore[assignment]

_PORTS = range(20_000, 32_000)
_names = itertools.count(1)


def free_addresses(count: int) -> list[str]:
    """Addresses of this machine that nobody listens on.

    Their ports are none that the kernel gives to clients: while a node is down, no connection of
    somebody else takes its port.
    """
    sockets: list[socket.socket] = []
    try:
        for port in random.sample(_PORTS, len(_PORTS)):
            each = socket.socket()
            try:
                each.bind(("127.0.0.1", port))
            except OSError:
                each.close()
                continue
            sockets.append(each)
            if len(sockets) == count:
                return ["127.0.0.1:%d" % each.getsockname()[1] for each in sockets]
        raise OSError("no port is free")
    finally:
        for each in sockets:
            each.close()


class TestCluster:
    """Nodes of one cluster in this process, with their data in a folder that is removed at the end.

    :param size: How many nodes.
    :param folder: Where to make the folder; the system's place for temporary files by default.
    """

    __test__ = False  # for pytest, which would take it for a test

    def __init__(
        self, size: int = 3, *, folder: Optional[str] = None, log_level: str = "off", **options: Any
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=folder)
        self._options = {"log_level": log_level, **options}
        self.addresses = free_addresses(size)
        self.nodes: list[Optional[quorlite.Node]] = []
        try:
            for number in range(size):
                self.nodes.append(None)
                self.start(number)
        except BaseException:
            self.close()
            raise

    def start(self, number: int) -> quorlite.Node:
        """Starts a node, the first time or again."""
        others = [each for each in self.addresses[: len(self.nodes)] if each != self.addresses[number]]
        folder = Path(self._folder.name) / str(number + 1)
        new = not folder.exists()
        node = quorlite.Node(
            folder,
            self.addresses[number] if new else "",
            join=others if new else (),
            bootstrap=new and not others,
            **self._options,
        )
        self.nodes[number] = node
        return node

    def stop(self, number: int) -> None:
        """Stops a node; the others go on if they are a majority."""
        node, self.nodes[number] = self.nodes[number], None
        if node is not None:
            node.stop()

    def leader(self) -> int:
        """The number of the node that leads."""
        address = self.cluster().leader().address
        return self.addresses.index(address)

    def cluster(self, **options: Any) -> quorlite.Cluster:
        return quorlite.Cluster(",".join(self.addresses), **options)

    def connect(self, database: str = "test", **options: Any) -> quorlite.Connection:
        return quorlite.connect(",".join(self.addresses), database, **options)

    def close(self) -> None:
        for number in range(len(self.nodes)):
            self.stop(number)
        self._folder.cleanup()

    def __enter__(self) -> TestCluster:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


if pytest is not None:

    @pytest.fixture(scope="session")
    def quorlite_cluster() -> Iterator[TestCluster]:
        """Three nodes, for all tests of a run."""
        with TestCluster() as cluster:
            yield cluster

    @pytest.fixture
    def quorlite_db(quorlite_cluster: TestCluster) -> Iterator[quorlite.Connection]:
        """A connection to a database of its own."""
        db = quorlite_cluster.connect(f"test{next(_names)}")
        try:
            yield db
        finally:
            db.close()
