"""Servers that break off, say nothing or send garbage: exceptions of PEP 249, never a crash."""

import random
import socket
import threading
import time

import pytest

import quorlite
from quorlite.testing import TestCluster, free_addresses

PATIENCE = {"timeout": 1.0, "connect_timeout": 0.3, "busy_timeout": 0.2}


class Server:
    """Listens, and calls converse(socket) in a thread for each client."""

    def __init__(self, converse):
        self.converse = converse
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.sockets = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self.guarded, args=(client,), daemon=True).start()

    def guarded(self, client):
        with client:
            try:
                self.converse(client)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # close() alone does not wake accept().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in self.sockets:
            each.close()
        self.thread.join(10)


def silent(client):
    while client.recv(4096):
        pass


def closes_at_once(client):
    pass


def closes_after_a_request(client):
    client.recv(4096)


def sends_noise(client):
    client.recv(4096)
    client.sendall(random.randbytes(5000))
    silent(client)


def sends_zeros(client):
    client.recv(4096)
    client.sendall(bytes(100_000))
    silent(client)


def promises_too_much(client):
    client.recv(4096)
    client.sendall(b"\xff\xff\xff\xff\0\0\0\0" * 1000)
    silent(client)


def speaks_http(client):
    client.recv(4096)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("converse", [
    silent, closes_at_once, closes_after_a_request, sends_noise, sends_zeros, promises_too_much,
    speaks_http])
def test_servers_that_are_none(converse):
    with Server(converse) as server, pytest.raises(quorlite.OperationalError) as caught:
        quorlite.connect(f"{server.address}/db", **PATIENCE)
    assert caught.value.verdict == "not_committed"


class Spoiler:
    """Hands the bytes of a real node through, and spoils what the node says."""

    def __init__(self, node, seed):
        self.node = node
        self.random = random.Random(seed)
        self.rate = self.random.choice([0, 0.0005, 0.01, 0.05])
        self.cut_after = self.random.choice([10, 100, 1000, 10**9])

    def __call__(self, client):
        host, port = self.node.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as node:
            threading.Thread(target=self.forward, args=(client, node), daemon=True).start()
            mine = "127.0.0.1:%d" % client.getsockname()[1]
            passed = 0
            while True:
                data = node.recv(65536)
                if not data:
                    return
                # Whoever leads, the client is to stay here. Ports have the same number of digits.
                data = bytearray(data.replace(self.node.encode(), mine.encode()))
                for _ in range(int(self.rate * len(data) + self.random.random())):
                    if self.rate:
                        data[self.random.randrange(len(data))] = self.random.randrange(256)
                passed += len(data)
                client.sendall(data[: max(0, len(data) - max(0, passed - self.cut_after))])
                if passed > self.cut_after:
                    return

    @staticmethod
    def forward(client, node):
        try:
            while data := client.recv(65536):
                node.sendall(data)
            node.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def use(address, random_):
    """Whatever people do with a database; any answer will do, and any error of PEP 249."""
    db = quorlite.connect(f"{address}/hostile", detect_types=random_.randrange(4), **PATIENCE)
    try:
        db.execute("CREATE TABLE IF NOT EXISTS t(a, b DATE, c BOOLEAN)")
        with db:
            db.executemany("INSERT INTO t VALUES(?, ?, ?)", [(i, "2026-01-02", True) for i in range(50)])
        cursor = db.execute("SELECT * FROM t")
        cursor.fetchone()
        cursor.fetchmany(7)
        db.execute("SELECT 1, 'two', 3.0, x'04', NULL").fetchall()
        cursor.fetchall()
        db.cluster.nodes()
        quorlite.run(db, lambda tx: tx.execute("DELETE FROM t"), timeout=0.5)
    finally:
        db.close()


def test_spoiled_answers_are_errors():
    seed = random.randrange(2**32)
    with TestCluster(1) as nodes:
        outcomes = {"fine": 0, "failed": 0}
        began = time.monotonic()
        # On a slow machine few, but some of each kind.
        while sum(outcomes.values()) < 150 and (
            time.monotonic() < began + 20
            or (not all(outcomes.values()) and time.monotonic() < began + 120)
        ):
            seed += 1
            with Server(Spoiler(nodes.addresses[0], seed)) as server:
                try:
                    use(server.address, random.Random(seed))
                    outcomes["fine"] += 1
                except quorlite.Error:
                    outcomes["failed"] += 1
                except BaseException:
                    print("seed", seed)
                    raise
        assert outcomes["fine"] and outcomes["failed"], outcomes
        db = nodes.connect("hostile")
        assert db.execute("SELECT 1").fetchone() == (1,)
        db.close()


def test_a_server_that_dies_in_the_middle_of_rows(run_folder):
    numbers = ("WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n"
               " WHERE i < 3000000) SELECT i, 'some text' FROM n")
    with TestCluster(1, folder=run_folder) as nodes:
        db = nodes.connect("t", **PATIENCE)
        cursor = db.execute(numbers)
        assert cursor.fetchone() == (0, "some text")
        nodes.stop(0)
        with pytest.raises(quorlite.OperationalError):
            cursor.fetchall()
        assert cursor.fetchall() == []
        with pytest.raises(quorlite.OperationalError):
            db.execute("SELECT 1")
        nodes.start(0)
        assert db.execute("SELECT 1", timeout=20).fetchone() == (1,)
        db.close()


def test_addresses_that_lead_nowhere():
    for address in (free_addresses(1)[0], "no-such-host.invalid:9001", "@no-such-socket"):
        with pytest.raises(quorlite.OperationalError):
            quorlite.connect(f"{address}/db", **PATIENCE)
