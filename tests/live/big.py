#!/usr/bin/env python3
"""A large database on real processes: filled, copied to a fresh node while writes go on, and dumped.

Usage: big.py [--binary QUORLITED] [--directory DIR] [--megabytes N]      1024 by default

Three nodes are filled. A fourth joins and gets a snapshot; it is killed in the middle of it and started again.
Memory is watched on both sides. Then the new node must hold what the others hold, and a DUMP of everything must
be a database that SQLite finds whole. DIR needs about ten times the size of the database, on a real disk; it is
removed at the end.
"""

import argparse
import pathlib
import shutil
import sqlite3
import struct
import sys
import threading
import time

from client import DUMP, FILES, text
from cluster import ROOT, Cluster, Node, default_binary, free_ports

ROW_BYTES = 8000
ROWS_PER_STATEMENT = 500
FILL = f"""WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g LIMIT {ROWS_PER_STATEMENT})
INSERT INTO big(body) SELECT randomblob({ROW_BYTES}) FROM g"""
# Beyond what a node at rest has: pages that wait for a flush, entries that wait for a peer, the caches of clients.
GROWTH_KB_MAX = 256 * 1024


class Watch(threading.Thread):
    """The most memory that each process had since it was last asked."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes = nodes
        self.most_kb = {}
        self.ending = threading.Event()

    def run(self):
        while not self.ending.wait(0.1):
            for node in list(self.nodes):
                try:
                    kb = node.memory_kb() if node.running() else 0
                except OSError:  # it has just been killed
                    continue
                self.most_kb[node] = max(self.most_kb.get(node, 0), kb)

    def take(self):
        taken, self.most_kb = self.most_kb, {}
        return " ".join(f"{node.directory.name} {kb // 1024} MiB" for node, kb in taken.items()), taken


class Updates(threading.Thread):
    """Changes rows here and there, all the time. Any error ends it, and the run."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.client = cluster.client()
        self.done = 0
        self.stopping = False
        self.error = None

    def run(self):
        try:
            while not self.stopping:
                self.client.execute(f"UPDATE big SET body = randomblob({ROW_BYTES}) WHERE id = "
                                    "1 + abs(random()) % (SELECT max(id) FROM big)")
                self.done += 1
        except Exception as error:
            self.error = error

    def stop(self):
        self.stopping = True
        self.join(60)
        self.client.close()
        if self.error:
            raise self.error
        return self.done


def received_bytes(node):
    return sum(path.stat().st_size for path in node.directory.rglob("*.db*") if path.is_file())


def receive_to(stream, connection, size):
    """The next `size` bytes of the connection, which need not fit into memory."""
    while size > 0:
        part = connection.take(min(size, 1 << 20))
        stream.write(part)
        size -= len(part)


def receive_dump(connection, directory):
    """Writes the files of a DUMP as they come; the path of the database."""
    connection.send(DUMP, text("live"))
    words, kind, _, _ = struct.unpack("<IBBH", connection.take(8))
    assert kind == FILES, kind
    (count,) = struct.unpack("<Q", connection.take(8))
    first = None
    for _ in range(count):
        name = b""
        while not name.endswith(b"\0"):
            name += connection.take(8)
            name = name.rstrip(b"\0") + b"\0" if b"\0" in name else name
        (size,) = struct.unpack("<Q", connection.take(8))
        path = directory / f"dump-{pathlib.Path(name.rstrip(bytes(1)).decode()).name}"
        with path.open("wb") as file:
            receive_to(file, connection, size)
        connection.take(-size % 8)
        first = first or path
    return first


def join(cluster, watch):
    """A fresh node; killed when it has received a third of its snapshot, and started again."""
    (port,) = free_ports(1)
    node = Node(cluster.nodes[0].binary, cluster.directory / "node4", f"127.0.0.1:{port}", cluster.nodes[0].options)
    whole = received_bytes(cluster.nodes[0])
    began = time.monotonic()
    node.start("--address", node.address, "--join", cluster.nodes[0].address)
    cluster.nodes.append(node)
    watch.nodes.append(node)
    cluster.until(lambda: received_bytes(node) > whole // 3, 300, "a third of the snapshot")
    node.kill()
    had = received_bytes(node)
    node.start()
    cluster.until(lambda: received_bytes(node) >= whole, 600, "the whole snapshot")
    cluster.until(lambda: cluster.settled(4), 300, "four members")
    return f"{whole >> 20} MiB in {time.monotonic() - began:.0f} s, killed at {had >> 20} MiB"


def expect_flat(before, after, what):
    for node, kb in after.items():
        grown = kb - before.get(node, 0)
        assert grown < GROWTH_KB_MAX, f"{what}: {node.directory.name} grew by {grown // 1024} MiB"


def run(cluster, megabytes):
    watch = Watch(list(cluster.nodes))
    watch.start()
    cluster.at_close.append(watch.ending.set)
    client = cluster.client()
    began = time.monotonic()
    client.execute("CREATE TABLE big(id INTEGER PRIMARY KEY, body)")
    for _ in range(megabytes * (1 << 20) // (ROW_BYTES * ROWS_PER_STATEMENT)):
        client.execute(FILL)
    report, filled = watch.take()
    print(f"filled with {megabytes} MiB in {time.monotonic() - began:.0f} s: {report}", flush=True)
    expect_flat({}, filled, "filling")

    updates = Updates(cluster)
    updates.start()
    print(f"joined: {join(cluster, watch)}", flush=True)
    done = updates.stop()
    report, joined = watch.take()
    print(f"{done} updates meanwhile: {report}", flush=True)
    expect_flat({}, joined, "joining")

    began = time.monotonic()
    dump = receive_dump(cluster.connect(), cluster.directory)
    report, dumped = watch.take()
    print(f"dumped {dump.stat().st_size >> 20} MiB in {time.monotonic() - began:.0f} s: {report}", flush=True)
    expect_flat({}, dumped, "dumping")
    with sqlite3.connect(dump) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = database.execute("SELECT count(*) FROM big").fetchone()
    assert [rows] == client.query("SELECT count(*) FROM big")
    print(f"the dump is whole: {rows[0]} rows", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default=default_binary())
    parser.add_argument("--directory", type=pathlib.Path, default=ROOT / "run/big")
    parser.add_argument("--megabytes", type=int, default=1024)
    arguments = parser.parse_args()
    try:
        with Cluster(arguments.directory, binary=arguments.binary) as cluster:
            run(cluster, arguments.megabytes)
    finally:
        shutil.rmtree(arguments.directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
