"""After a round: what clients were told is true, on every node, and all nodes have the same."""

import hashlib
import sqlite3

from cluster import Connection, find_leader
from world import PATIENCE, inside
from writers import DATABASES


def check(world, book):
    """How many writes were checked. Raises AssertionError for whatever is wrong."""
    assert not book.stale, f"old answers: {book.stale[:3]}"
    world.until(world.whole, "three voters at the end")
    level(world)
    checked = 0
    for database in DATABASES:
        copies = [copy_of(world, node, database) for node in world.nodes]
        sums = {hashlib.sha256(copy.read_bytes()).hexdigest() for copy in copies}
        assert len(sums) == 1, f"the nodes' copies of {database} differ: {[copy.name for copy in copies]}"
        checked += count(book, database, copies[0])
        for copy in copies:
            copy.unlink()
    expected = {database: counted(world, database) for database in DATABASES}
    for node in world.nodes:
        world.lead(node)
        for database, number in expected.items():
            assert counted(world, database) == number, f"node {node.number} leads and has other rows in {database}"
    return checked


def level(world):
    """All nodes have applied the same, up to the end of the log."""
    def all_level():
        seen = [node.status() for node in world.nodes]
        return len({(status["last"], status["applied"]) for status in seen}) == 1 and seen[0]["last"] == seen[0]["applied"]
    world.until(all_level, "all nodes at the same index")


def copy_of(world, node, database):
    path = world.directory / f"copy-{DATABASES.index(database)}-of-node{node.number}"
    connection = Connection(inside(node.number), timeout=PATIENCE)
    try:
        connection.dump(database, path)
    finally:
        connection.close()
    return path


def count(book, database, path):
    copy = sqlite3.connect(path)
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)], f"{database} is damaged"
    assert copy.execute("SELECT count(*) FROM rows WHERE writer < 0").fetchone() == (0,), "a vanished client's row is there"
    checked = 0
    for writer in [writer for writer in book.writers if writer.database == database]:
        halves = {}
        for number, half in copy.execute("SELECT n, half FROM rows WHERE writer = ?", (writer.number,)):
            halves.setdefault(number, set()).add(half)
        whole = {0} if writer.number % 2 else {0, 1}
        torn = [number for number, there in halves.items() if there != whole]
        assert not torn, f"writer {writer.number}: half of a transaction is there: {torn[:5]}"
        told, present = writer.told(), set(halves)
        lost = told["committed"] - present
        assert not lost, f"writer {writer.number}: {len(lost)} acknowledged rows are lost: {sorted(lost)[:5]}"
        refused = told["refused"] & present
        assert not refused, f"writer {writer.number}: not committed, they said, and there: {sorted(refused)[:5]}"
        assert present <= told["committed"] | told["doubtful"], f"writer {writer.number}: rows that nobody wrote"
        checked += sum(len(numbers) for numbers in told.values())
    copy.close()
    return checked


def counted(world, database):
    """By the leader."""
    def ask():
        connection = find_leader(world.addresses, 5).open(database)
        try:
            return connection.query("SELECT count(*), sum(n) FROM rows")
        finally:
            connection.close()
    return world.until(ask, f"an answer about {database}")


def stop_and_start(world):
    """They end as asked, and have everything when they come again."""
    expected = {database: counted(world, database) for database in DATABASES}
    for node in world.nodes:
        status = node.stop(PATIENCE)
        assert status == 0, f"node {node.number} ended with {status} when it was told to stop"
    for node in world.nodes:
        node.start()
    for database, number in expected.items():
        assert counted(world, database) == number, f"other rows in {database} after a restart"
