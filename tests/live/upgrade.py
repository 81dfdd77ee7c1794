#!/usr/bin/env python3
"""A rolling upgrade under load: three nodes of an earlier version are replaced by today's, one by one.

Usage: upgrade.py --from QUORLITED [--binary QUORLITED] [--directory DIR] [SCENARIO...]     all scenarios if none is named

Every write that was acknowledged, by whichever version, is on every node afterwards. Only processes that were started here
are ever signalled.
"""

import pathlib
import sqlite3
import sys
import time

import scenarios
from cluster import Connection, Node, Unreachable, find_leader, free_ports
from load import Load

# Little is kept in the log: a node that was away gets a snapshot, from whatever version leads.
SMALL = ["--flush-size", "64KiB", "--log-tail", "64KiB"]
PATIENCE = 60


def lead(cluster, node):
    """The node leads, and others have written meanwhile."""
    number = next(member for member, address, _ in cluster.connect().members() if address == node.address)

    def leads():
        if cluster.leader() is not node:
            cluster.connect().transfer(number)
        return cluster.leader() is node
    cluster.until(leads, PATIENCE, f"{node.directory.name} leads")


def answers(node):
    find_leader([node.address], 0.2).close()
    return True


def stop(node):
    status = node.stop(PATIENCE)
    assert status == 0, f"{node.directory.name} ended with status {status}"


def upgrade(cluster, node, binary, load, end):
    end(node)
    load.wait_for(20, PATIENCE)
    cluster.connect().execute("INSERT INTO filler VALUES (zeroblob(300000))")  # beyond what the log keeps
    load.wait_for(50, PATIENCE)
    node.binary = binary
    node.start()
    cluster.until(lambda: answers(node), PATIENCE, f"{node.directory.name} answers again")
    load.wait_for(20, PATIENCE)
    caught_up(cluster, node)


def caught_up(cluster, node):
    """It has a row that was written after it had come."""
    mark = f"mark {time.monotonic()}"
    cluster.client().execute("INSERT INTO marks VALUES (?)", mark)
    cluster.until(lambda: (mark,) in rows_of(cluster, node, "SELECT name FROM marks"), PATIENCE,
                  f"{node.directory.name} has what was written meanwhile")


def rows_of(cluster, node, sql):
    """From the node's own copy."""
    path = cluster.directory / "copy.db"
    connection = Connection(node.address, timeout=PATIENCE)
    try:
        connection.dump("live", path)
    finally:
        connection.close()
    try:
        copy = sqlite3.connect(path)
        return copy.execute(sql).fetchall()
    except sqlite3.Error as error:
        raise Unreachable(f"{node.address}: {error}") from error
    finally:
        copy.close()


def everywhere(cluster, load):
    """What was acknowledged is in every node's copy, and the copies are equal."""
    acknowledged = {name for writer in load.writers for name in writer.acknowledged}
    for node in cluster.nodes:
        caught_up(cluster, node)
    contents = [rows_of(cluster, node, "SELECT id, name FROM rows ORDER BY id") for node in cluster.nodes]
    assert all(content == contents[0] for content in contents), "the nodes' copies differ"
    missing = acknowledged - {name for _, name in contents[0]}
    assert not missing, f"lost: {sorted(missing)[:5]}"
    return f"{len(contents[0])} rows on each of {len(contents)} nodes"


def rolling(cluster, binary, end):
    cluster.client().execute("CREATE TABLE marks(name)")
    cluster.client().execute("CREATE TABLE filler(content)")
    load = Load(cluster, answer_within=2)
    load.wait_for(100, PATIENCE)
    first, second, third = cluster.nodes
    lead(cluster, third)
    upgrade(cluster, first, binary, load, end)
    lead(cluster, first)  # the new leads two old ones
    load.wait_for(100, PATIENCE)
    lead(cluster, second)  # and an old one leads again, while a new node of today's version joins
    joiner = Node(binary, cluster.directory / "node4", f"127.0.0.1:{free_ports(20)[-1]}", SMALL)
    cluster.nodes.append(joiner)
    joiner.start("--address", joiner.address, "--join", second.address)
    cluster.wait_members(4, PATIENCE)
    upgrade(cluster, second, binary, load, end)  # the leader itself
    upgrade(cluster, third, binary, load, end)
    for node in (first, second, third):
        lead(cluster, node)
        load.wait_for(50, PATIENCE)
    report = load.stop_and_check()
    report += "; " + everywhere(cluster, load)
    for node in cluster.nodes:
        assert node.binary == binary
        stop(node)
    for node in cluster.nodes:
        node.start()
    cluster.wait_members(4, PATIENCE)
    return report + "; again after a restart: " + everywhere(cluster, load)


def stopped_one_by_one(cluster, binary):
    """As an operator does it."""
    return rolling(cluster, binary, stop)


def killed_one_by_one(cluster, binary):
    """Nodes end as they please, and come back as a newer version."""
    return rolling(cluster, binary, Node.kill)


SCENARIOS = [stopped_one_by_one, killed_one_by_one]


def main():
    parser = scenarios.parser(__doc__, "upgrade")
    parser.add_argument("--from", dest="old", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    chosen = scenarios.chosen(parser, arguments.scenarios, SCENARIOS)
    results = [scenarios.run(scenario, arguments.directory, arguments.old, SMALL, [arguments.binary])
               for scenario in chosen]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
