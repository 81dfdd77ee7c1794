#!/usr/bin/env python3
"""Faults on real processes: three quorlited nodes on this machine, killed, stopped, flooded, cut short.

Usage: live.py [--binary QUORLITED] [--directory DIR] [SCENARIO...]     all scenarios if none is named

Data lies in DIR on a real disk. Only processes that were started here are ever signalled.
"""

import pathlib
import resource
import signal
import socket
import sqlite3
import statistics
import struct
import sys
import threading
import time

import client
import scenarios
from cluster import Connection, Node, find_leader, free_ports
from load import Load


# --- scenarios: each gets a fresh cluster and returns a line for the report ---


def leader_killed(cluster):
    load = Load(cluster)
    silences = silences_without_leader(cluster, load, Node.kill, 50)
    report = load.stop_and_check()
    assert max(silences) < 3000, silences
    return f"{away_for(silences)}; {report}"


def leader_stopped_gracefully(cluster):
    load = Load(cluster)
    silences = silences_without_leader(cluster, load, stop, 100)
    report = load.stop_and_check(doubts_allowed=False)
    assert statistics.median(silences) < 300, silences
    return f"{away_for(silences)}; {report}"


def silences_without_leader(cluster, load, end, writes):
    """In ms, as the writers saw them: three times the leader ends, and comes back after so many writes."""
    silences = []
    load.wait_for(200)
    for _ in range(3):
        leader = cluster.leader()
        ended = time.monotonic()
        end(leader)
        load.wait_for(writes)
        silences.append(load.longest_silence_ms(ended))
        bring_back(cluster, leader)
        time.sleep(0.5)
    return silences


def away_for(silences):
    return f"writes away for {', '.join(f'{ms:.0f}' for ms in silences)} ms"


def stop(node):
    assert node.stop() == 0


def bring_back(cluster, node):
    node.start()
    cluster.until(lambda: answers(node), 10, "the node answers again")


def answers(node):
    find_leader([node.address], 0.2).close()
    return True


def rolling_restart(cluster):
    load = Load(cluster)
    load.wait_for(100)
    for node in cluster.nodes:
        stop(node)
        load.wait_for(50)
        bring_back(cluster, node)
        time.sleep(0.3)
    report = load.stop_and_check(doubts_allowed=False)
    return report


def leader_paused(cluster):
    load = Load(cluster, answer_within=0.5, patience=2)
    load.wait_for(200)
    leader = cluster.leader()
    paused = time.monotonic()
    leader.signal(signal.SIGSTOP)
    others = [node.address for node in cluster.nodes if node is not leader]
    cluster.until(lambda: find_leader(others, 0.5).close() is None, 10, "another leader")
    away = 1000 * (time.monotonic() - paused)
    load.wait_for(50, 30)
    leader.signal(signal.SIGCONT)
    load.wait_for(50)
    report = load.stop_and_check()
    assert away < 3000, away
    return f"another leader after {away:.0f} ms; {report}"


def all_killed(cluster):
    report = []
    for _ in range(3):
        load = Load(cluster)
        load.wait_for(200)
        for node in cluster.nodes:
            node.signal(signal.SIGKILL)
        for writer in load.writers:
            writer.stopping = True
        for node in cluster.nodes:
            node.process.wait()
            node.start()
        cluster.leader()
        report.append(check_all(cluster, load))
    return "; ".join(report)


def check_all(cluster, load):
    """As Load.stop_and_check, when earlier loads have left rows of the same names behind."""
    report = load.stop_and_check(errors_allowed=True)
    cluster.client().execute("DELETE FROM rows")
    return report


def raise_descriptors(count):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def dial(node):
    connection = socket.create_connection(client.parse_address(node.address), timeout=5)
    connection.settimeout(5)
    return connection


class Bystander:
    """An ordinary client that writes all the while; the longest of its requests is the harm done to it."""

    def __init__(self, cluster):
        self.load = Load(cluster, writers=1, pause=0.005)
        self.since = time.monotonic()

    def check(self, worst_ms):
        silence = self.load.longest_silence_ms(self.since)
        report = self.load.stop_and_check(doubts_allowed=False)
        assert silence < worst_ms, f"others waited {silence:.0f} ms"
        return f"others waited at most {silence:.0f} ms, {report}"


def connection_flood(cluster):
    raise_descriptors(8192)
    leader = cluster.leader()
    before = leader.memory_kb()
    bystander = Bystander(cluster)
    connections = [dial(leader) for _ in range(2000)]
    for connection in connections[::2]:
        connection.sendall(struct.pack("<Q", 1))
    time.sleep(1)
    grown = leader.memory_kb() - before
    report = bystander.check(1000)
    for connection in connections:
        connection.close()
    assert grown < 100_000, f"{grown} KiB"
    return f"2000 connections cost {grown} KiB; {report}"


def limit_reached(cluster):
    """The cluster of this scenario allows 50 clients: peers must get through all the same."""
    leader = cluster.leader()
    bystander = Bystander(cluster)
    time.sleep(0.2)
    connections = [dial(leader) for _ in range(400)]
    closed = 0
    for connection in connections:
        try:
            connection.sendall(struct.pack("<QIBBHQ", 1, 1, client.LEADER, 0, 0, 0))
            closed += connection.recv(100) == b""
        except OSError:
            closed += 1
    follower = next(node for node in cluster.nodes if node is not leader)
    follower.kill()
    follower.start()
    cluster.until(lambda: Connection(follower.address).leader()[1], 10, "a follower is back")
    report = bystander.check(1000)
    for connection in connections:
        connection.close()
    assert 340 <= closed <= 360, closed
    return f"{closed} of 400 turned away; {report}"


def half_messages(cluster):
    leader = cluster.leader()
    bystander = Bystander(cluster)
    announced = struct.pack("<QIBBH", 1, 1 << 22, client.EXEC_SQL, 0, 0) + bytes(64)
    before = leader.memory_kb()
    connections = []
    for size in range(200):
        connection = dial(leader)
        connection.sendall(announced[: 1 + size % len(announced)])
        connections.append(connection)
    time.sleep(0.5)
    grown = leader.memory_kb() - before
    report = bystander.check(1000)
    for connection in connections:
        connection.close()
    assert grown < 50_000, f"{grown} KiB for what was only announced"
    return f"{grown} KiB; {report}"


def slow_writers(cluster):
    """One byte now and then: the first word must come within 10 s, or the connection is closed."""
    leader = cluster.leader()
    bystander = Bystander(cluster)
    connections = [dial(leader) for _ in range(100)]
    deadline = time.monotonic() + 14
    closed = 0
    while connections and time.monotonic() < deadline:
        time.sleep(2.2)
        for connection in list(connections):
            try:
                connection.sendall(b"\1" if len(connections) % 2 else b"\0")
                connection.settimeout(0.001)
                if connection.recv(1) == b"":
                    raise OSError
            except TimeoutError:
                continue
            except OSError:
                connections.remove(connection)
                connection.close()
                closed += 1
    report = bystander.check(1000)
    assert closed == 100, closed
    return f"all closed; {report}"


def never_reading(cluster):
    writer = cluster.client()
    writer.execute("CREATE TABLE large(body)")
    writer.execute("INSERT INTO large SELECT randomblob(10000) FROM "
                   "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000) SELECT n FROM c)")
    leader = cluster.leader()
    bystander = Bystander(cluster)
    before = leader.memory_kb()
    readers = []
    for _ in range(30):
        reader = cluster.connect()
        reader.send_query("SELECT a.body FROM large a, large b")
        readers.append(reader)
    time.sleep(3)
    grown = leader.memory_kb() - before
    report = bystander.check(1500)
    for reader in readers:
        reader.close()
    assert grown < 250_000, f"{grown} KiB"
    return f"30 clients that do not read cost {grown} KiB; {report}"


def vanished_clients(cluster):
    """A client that goes away in the middle of a long statement leaves nothing running."""
    leader = cluster.leader()
    connection = cluster.connect()
    for _ in range(10):
        doomed = cluster.connect()
        doomed.send_query("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c")
        time.sleep(0.02)
        doomed.close()
    time.sleep(2)
    before = cpu_seconds(leader)
    time.sleep(1)
    used = cpu_seconds(leader) - before
    assert connection.query("SELECT 1") == [(1,)]
    assert used < 0.3, f"{used} s of processor time in one second"
    return f"{1000 * used:.0f} ms of processor time in a second afterwards"


def cpu_seconds(node):
    fields = pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def garbage_peers(cluster):
    """Bytes that claim to come from a peer."""
    bystander = Bystander(cluster)
    for node in cluster.nodes:
        for size in (0, 1, 8, 40, 5000):
            connection = dial(node)
            connection.sendall(b"quorlite" + bytes((i * 37 + size) % 256 for i in range(size)))
            connection.close()
        connection = dial(node)
        hello = struct.pack("<HHHBBQH", 1, 1, 1, 0, 0, 77, 6) + b"x:1234"
        connection.sendall(b"quorlite" + struct.pack("<II", len(hello), 0) + hello)
        assert connection.recv(1) == b""
        connection.close()
    time.sleep(0.5)
    report = bystander.check(1000)
    assert all(node.running() for node in cluster.nodes)
    return report


REMOVED = 74  # the status with which a node ends that is no member any more


def members_removed(cluster):
    """Nodes learn that they were removed: while they run, also as one of two, and when they were away meanwhile."""
    leader = cluster.leader()
    absent, present = [node for node in cluster.nodes if node is not leader]
    numbers = {address: number for number, address, _ in cluster.connect().members()}
    absent.kill()
    for node in (absent, present):
        cluster.connect().remove(numbers[node.address])
        cluster.nodes.remove(node)
    absent.start()
    try:
        assert present.process.wait(10) == REMOVED, present.process.returncode
        assert absent.process.wait(20) == REMOVED, absent.process.returncode
    finally:
        present.close()
        absent.close()
    cluster.connect().execute("CREATE TABLE alone(a)")
    return "both ended by themselves, the last goes on"


def short_life(cluster):
    """A little of everything, with no limit of time: for builds that are slow but see every fault of memory and
    threads, and report what they saw when a node ends."""
    load = Load(cluster, writers=2)
    load.wait_for(50, 120)
    cluster.leader().kill_and_restart()
    load.wait_for(50, 120)
    reader = cluster.connect()
    reader.send_query("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c")
    time.sleep(0.5)
    reader.close()
    for node in cluster.nodes:
        node.restart(60)
        load.wait_for(20, 120)
    report = load.stop_and_check()
    statuses = [node.stop(60) for node in cluster.nodes]
    assert statuses == [0, 0, 0], statuses
    return report


LARGE_ROWS = 1000  # of a million bytes each


class MemorySampler(threading.Thread):
    """The most memory that each of some nodes was seen with, in MB."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes = nodes
        self.most = {node: 0.0 for node in nodes}
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.1):
            for node in [node for node in self.nodes if node.running()]:
                self.most[node] = max(self.most[node], node.memory_kb() / 1000)

    def stop(self):
        self.stopping.set()
        self.join()
        return self.most


PAGE_BYTES = 4096
ROTTEN_MEGABYTES = 20  # more than a node keeps in memory
ROTTEN_PAGES = 40


def damage_pages(file, count):
    """One byte in each of `count` pages, from the first to the last."""
    pages = file.stat().st_size // PAGE_BYTES
    with file.open("r+b") as content:
        for number in range(count):
            place = number * (pages - 1) // (count - 1) * PAGE_BYTES + 1234
            content.seek(place)
            byte = content.read(1)[0]
            content.seek(place)
            content.write(bytes([byte ^ 0x55]))


def pages_rotten(cluster):
    """A disk changes pages behind a node's back. Then the node leads: what it says is right, with the others' pages."""
    people = cluster.client()
    people.execute("CREATE TABLE large(id INTEGER PRIMARY KEY, content BLOB)")
    for _ in range(ROTTEN_MEGABYTES):
        people.execute("INSERT INTO large(content) VALUES (randomblob(1000000))")
    ends = "SELECT hex(substr(content, 1, 9)), hex(substr(content, -9)) FROM large"
    expected = people.query(ends)
    node = cluster.leader()
    base = node.directory / "databases" / "000001.db"
    cluster.until(lambda: base.exists() and base.stat().st_size > 15_000_000, 60, "a flush")
    number = next(member for member, address, _ in cluster.connect().members() if address == node.address)
    stop(node)
    damage_pages(base, ROTTEN_PAGES)
    bring_back(cluster, node)
    cluster.wait_members(3)
    cluster.connect().transfer(number)
    cluster.until(lambda: cluster.leader() is node, 10, "it leads")
    refused = 0

    def readable():
        nonlocal refused
        try:
            return people.query(ends) == expected
        except client.Failure as failure:
            assert "fetched from the other nodes" in failure.message, failure
            refused += 1
            return False

    cluster.until(readable, 60, "every row can be read, and is what it was")
    assert cluster.leader() is node
    assert people.query("PRAGMA integrity_check") == [("ok",)]
    mended = node.log.read_text().count("is repaired, by node")
    assert 0 < refused < ROTTEN_PAGES / 2 < mended, (refused, mended)  # most are found before anyone reads them
    return f"{mended} pages mended; {refused} reads refused meanwhile"


def disk_megabytes(node):
    return sum(path.stat().st_blocks * 512 for path in node.directory.rglob("*") if path.is_file()) / 1e6


def dumped(cluster, node, name="live"):
    """The node's copy of the database, as a file that SQLite finds sound."""
    path = cluster.directory / "dump"
    connection = Connection(node.address, timeout=60)
    connection.dump(name, path)
    connection.close()
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return database


def large_snapshot(cluster):
    """A node joins a database of 1 GB while others write, is killed in the middle, and goes on. Memory stays flat,
    here and there, also while the whole database is dumped."""
    leader = cluster.leader()
    client = cluster.client(timeout=60)
    client.execute("CREATE TABLE large(id INTEGER PRIMARY KEY, content BLOB)")
    began = time.monotonic()
    for _ in range(LARGE_ROWS):
        client.execute("INSERT INTO large(content) VALUES (randomblob(1000000))")
    filled = time.monotonic() - began
    load = Load(cluster, pause=0.01)
    joiner = Node(leader.binary, cluster.directory / "node4", f"127.0.0.1:{free_ports(20)[-1]}", [])
    cluster.nodes.append(joiner)
    sampler = MemorySampler(cluster.nodes)
    sampler.start()
    began = time.monotonic()
    joiner.start("--address", joiner.address, "--join", leader.address)
    cluster.until(lambda: disk_megabytes(joiner) > 300, 120, "a part of the snapshot")
    joiner.kill_and_restart()
    cluster.wait_members(4, 300)
    cluster.until(lambda: disk_megabytes(joiner) > LARGE_ROWS, 300, "the whole snapshot")
    cluster.until(lambda: dumped(cluster, joiner), 120, "the databases of the snapshot")
    joined = time.monotonic() - began
    silence = load.longest_silence_ms(began)
    report = load.stop_and_check(doubts_allowed=False)
    expected = client.query("SELECT (SELECT count(*) FROM large), (SELECT count(*) FROM rows)")
    query = "SELECT (SELECT count(*) FROM large), (SELECT count(*) FROM rows)"
    cluster.until(lambda: dumped(cluster, joiner).execute(query).fetchall() == expected, 120, "equal content")
    memory = {node.directory.name: round(most) for node, most in sampler.stop().items()}
    assert max(memory.values()) < 200, f"MB of memory: {memory}"
    return (f"filled in {filled:.0f} s, joined in {joined:.0f} s with a restart, writes away for {silence:.0f} ms, "
            f"MB of memory at most {memory}; {report}")


SCENARIOS = [leader_killed, leader_stopped_gracefully, rolling_restart, leader_paused, all_killed, connection_flood,
             limit_reached, half_messages, slow_writers, never_reading, vanished_clients, garbage_peers, members_removed,
             pages_rotten]
ON_REQUEST = [short_life, large_snapshot]
OPTIONS = {
    limit_reached: ["--connections-max", "50"],
    members_removed: ["--election-timeout", "200ms", "--heartbeat", "50ms"],
}


def main():
    parser = scenarios.parser(__doc__, "live")
    arguments = parser.parse_args()
    chosen = scenarios.chosen(parser, arguments.scenarios, SCENARIOS, ON_REQUEST)
    results = [scenarios.run(scenario, arguments.directory, arguments.binary, OPTIONS.get(scenario, []))
               for scenario in chosen]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
