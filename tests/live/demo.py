#!/usr/bin/env python3
"""Three nodes on this machine: SQL, the leader killed, the work going on, nothing lost.

Behind `make run`. KEEP=1 leaves the nodes running and says how to connect. Data is kept in ./run.
"""

import fcntl
import os
import signal
import sys
import threading
import time

from cluster import ROOT, Cluster, Failure, InDoubt, Unreachable, find_leader

WRITERS = 4
SECONDS_BEFORE = 2.0
SECONDS_AFTER = 2.0


class Writer(threading.Thread):
    """Inserts rows one after the other and remembers which ones were acknowledged, and when."""

    def __init__(self, cluster, number):
        super().__init__(daemon=True)
        self.client = cluster.client()
        self.number = number
        self.acknowledged = {}
        self.in_doubt = set()
        self.refused = 0
        self.stopping = False

    def run(self):
        count = 0
        while not self.stopping:
            count += 1
            name = f"{self.number}-{count}"
            try:
                self.client.execute("INSERT INTO notes(name) VALUES (?)", name)
                self.acknowledged[name] = time.monotonic()
            except InDoubt:
                self.in_doubt.add(name)
            except (Failure, Unreachable):
                self.refused += 1


def say(line):
    print(line, flush=True)


def longest_silence(writers, since):
    """The longest time without an acknowledged write after `since`, in milliseconds."""
    times = sorted(t for writer in writers for t in writer.acknowledged.values() if t >= since)
    return 1000 * max(later - earlier for earlier, later in zip([since] + times, times))


def demonstrate(cluster):
    say("three nodes: " + ", ".join(cluster.addresses))
    client = cluster.client()
    client.execute("CREATE TABLE notes(id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    client.execute("INSERT INTO notes(name) VALUES ('hello')")
    say(f"SELECT name FROM notes: {client.query('SELECT name FROM notes')}")

    writers = [Writer(cluster, number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(SECONDS_BEFORE)
    leader = cluster.leader()
    count = sum(len(writer.acknowledged) for writer in writers)
    say(f"{count} writes acknowledged; the leader is {leader.address}: kill -9")
    killed = time.monotonic()
    leader.signal(signal.SIGKILL)
    leader.process.wait()
    time.sleep(SECONDS_AFTER)
    for writer in writers:
        writer.stopping = True
    for writer in writers:
        writer.join()

    silence = longest_silence(writers, killed)
    say(f"the leader is now {cluster.leader().address}; writes were away for {silence:.0f} ms")
    present = {name for (name,) in client.query("SELECT name FROM notes")}
    acknowledged = {name for writer in writers for name in writer.acknowledged}
    in_doubt = {name for writer in writers for name in writer.in_doubt}
    lost = acknowledged - present
    phantom = present - acknowledged - in_doubt - {"hello"}
    say(f"{len(acknowledged)} writes acknowledged, {len(in_doubt)} in doubt, {len(lost)} lost, "
        f"{len(phantom)} uncalled for")
    leader.start()
    cluster.until(lambda: find_leader([leader.address], 1).close() is None, 15, "the killed node is back")
    say(f"{leader.address} is back")
    return not lost and not phantom


def still_running(directory):
    """The process ids of nodes that an earlier run left up: each holds the lock of its directory."""
    found = []
    for lock in directory.glob("node*/lock"):
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                found.append(file.read().strip())
    return found


def main():
    left = still_running(ROOT / "run")
    if left:
        say("the nodes of an earlier run are still up; stop them with: kill " + " ".join(left))
        return 1
    cluster = Cluster(ROOT / "run")
    cluster.start()
    try:
        good = demonstrate(cluster)
        if os.environ.get("KEEP") == "1":
            say("the nodes stay up; connect with any dqlite client to " + ", ".join(cluster.addresses))
            say("stop them with: kill " + " ".join(str(n.process.pid) for n in cluster.nodes))
            return 0 if good else 1
        for node in cluster.nodes:
            node.stop()
        return 0 if good else 1
    finally:
        if os.environ.get("KEEP") != "1":
            cluster.close()


if __name__ == "__main__":
    sys.exit(main())
