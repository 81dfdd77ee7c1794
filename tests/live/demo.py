#!/usr/bin/env python3
"""Three nodes on this machine: SQL, the leader killed, the work going on, nothing lost.

Behind `make run`. KEEP=1 leaves the nodes running and says how to connect. Data is kept in ./run.
"""

import fcntl
import os
import sys
import time

from cluster import ROOT, Cluster, find_leader
from load import Load

WRITERS = 4
SECONDS_BEFORE = 2.0
SECONDS_AFTER = 2.0


def say(line):
    print(line, flush=True)


def demonstrate(cluster):
    say("three nodes: " + ", ".join(cluster.addresses))
    client = cluster.client()
    client.execute("CREATE TABLE notes(id INTEGER PRIMARY KEY, text)")
    client.execute("INSERT INTO notes(text) VALUES ('hello')")
    say(f"SELECT text FROM notes: {client.query('SELECT text FROM notes')}")

    load = Load(cluster, WRITERS)
    time.sleep(SECONDS_BEFORE)
    leader = cluster.leader()
    say(f"{load.acknowledged} writes acknowledged; the leader is {leader.address}: kill -9")
    killed = time.monotonic()
    leader.kill()
    time.sleep(SECONDS_AFTER)
    outcome = load.stop()
    silence = load.longest_silence_ms(killed)
    say(f"the leader is now {cluster.leader().address}; writes were away for {silence:.0f} ms")
    say(f"{len(outcome.acknowledged)} writes acknowledged, {len(outcome.in_doubt)} in doubt, "
        f"{len(outcome.lost)} lost, {len(outcome.uncalled_for)} uncalled for")
    leader.start()
    cluster.until(lambda: find_leader([leader.address], 1).close() is None, 15, "the killed node is back")
    say(f"{leader.address} is back")
    return not outcome.lost and not outcome.uncalled_for


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
