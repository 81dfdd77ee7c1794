"""What a round does to its nodes. Each fault breaks something, holds it for a while, and leaves the mending to the caller.

A fault is a function of the world, a random generator that alone decides what it does, and the book of clients. Those of LINKED
want links of ours before the nodes, those of DIRECT none.
"""

import os
import shutil
import signal
import socket
import subprocess
import time

from cluster import Connection, Failure, InDoubt, Unreachable, find_leader
from world import PATIENCE, inside, run

BROKEN_DISK, REMOVED = 70, 74  # statuses with which a node ends by itself
VANISHING = "10.83.0.109"  # the address of clients that vanish
RUNS_TWICE = "seems to run twice"
CLONE_PATIENCE = 75  # the log has each reason once a minute
VANISHED_PATIENCE = 40  # a client that vanished in a transaction keeps its lock as long as an idle one may


def victim(world, rng):
    """The leader half of the time."""
    leader, any_node = world.leader(), world.nodes[rng.randrange(len(world.nodes))]
    return leader if rng.random() < 0.5 else any_node


def hold(rng, shortest, longest):
    time.sleep(rng.uniform(shortest, longest))


# --- processes ---


def kill(world, rng, book):
    node = victim(world, rng)
    node.kill()
    hold(rng, 0, 3)
    node.start()


def kill_again_and_again(world, rng, book):
    node = victim(world, rng)
    for _ in range(rng.randint(3, 5)):
        node.kill()
        node.start()
        hold(rng, 0, 0.7)


def kill_all(world, rng, book):
    for node in world.nodes:
        node.signal(signal.SIGKILL)
    for node in rng.sample(world.nodes, len(world.nodes)):
        node.process.wait()
        node.start()
        hold(rng, 0, 0.5)


def terminate(world, rng, book):
    node = victim(world, rng)
    status = node.stop(PATIENCE)
    assert status == 0, f"node {node.number} ended with {status} when it was told to stop"
    hold(rng, 0, 1)
    node.start()


def pause(world, rng, book):
    node = victim(world, rng)
    node.signal(signal.SIGSTOP)
    hold(rng, 0.2, 5)
    node.signal(signal.SIGCONT)


def pause_two(world, rng, book):
    """No majority: nothing is written, and nothing old is read."""
    chosen = rng.sample(world.nodes, 2)
    for node in chosen:
        node.signal(signal.SIGSTOP)
    hold(rng, 0.5, 4)
    for node in chosen:
        node.signal(signal.SIGCONT)


def replace(world, rng, book):
    """A node is removed, loses all it had, and joins as another."""
    node = world.nodes[rng.randrange(len(world.nodes))]
    number = next(member for member, address, _ in world.members() if address == node.address)
    node.ended.add(REMOVED)

    def removed():
        connection = find_leader(world.addresses, 2)
        if all(member != number for member, _, _ in connection.members()):
            return True
        connection.remove(number)
        return False
    world.until(removed, f"node {node.number} is removed")
    if node.running():
        node.kill()
    node.ended.discard(REMOVED)
    node.fresh_number(world.next_id)
    world.next_id += 1
    node.join(next(other for other in world.nodes if other is not node))
    world.until(world.whole, "three voters again")


# --- networks ---


def partition(world, rng, book):
    node = victim(world, rng)
    node.port.connect(False)
    hold(rng, 0.5, 8)
    node.port.connect(True)


def partition_of_two(world, rng, book):
    """Two nodes do not reach each other; the third reaches both."""
    chosen = rng.sample(world.nodes, 2)
    for node in chosen:
        node.port.isolate(True)
    hold(rng, 1, 8)
    for node in chosen:
        node.port.isolate(False)


def partition_of_all(world, rng, book):
    for node in world.nodes:
        node.port.isolate(True)
    hold(rng, 0.5, 5)
    for node in world.nodes:
        node.port.isolate(False)


def flapping(world, rng, book):
    node = victim(world, rng)
    for _ in range(rng.randint(4, 10)):
        node.port.connect(False)
        hold(rng, 0.05, 0.8)
        node.port.connect(True)
        hold(rng, 0.05, 0.8)


def half_open(world, rng, book):
    """All that nodes have open passes nothing; what is opened anew does."""
    chosen = world.nodes if rng.random() < 0.5 else [victim(world, rng)]
    swallows = rng.random() < 0.5
    for node in chosen:
        node.link.freeze(swallows)
    hold(rng, 1, 15)
    for node in chosen:
        node.link.heal()


def flipped_bits(world, rng, book):
    likely = rng.choice([0.002, 0.02, 0.2])
    chosen = world.nodes if rng.random() < 0.5 else [victim(world, rng)]
    for node in chosen:
        node.link.flips = likely
    hold(rng, 1, 6)
    for node in chosen:
        node.link.flips = 0


def cut(world, rng, book):
    """Connections break in the middle of what they carry."""
    for _ in range(rng.randint(5, 30)):
        victim(world, rng).link.cut()
        hold(rng, 0, 0.3)


# --- disks ---


def full_disk(world, rng, book):
    node = victim(world, rng)
    node.disk.fill()
    hold(rng, 1, 10)
    node.disk.empty()


def traced(node, injection):
    """strace, attached to a node, fails or delays its system calls."""
    return subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(node.process.pid), "-e",
                             f"inject={injection}"], stderr=subprocess.DEVNULL)


def untraced(tracer):
    if tracer.poll() is None:
        tracer.send_signal(signal.SIGINT)
    tracer.wait(20)


def failing_disk(world, rng, book):
    """A node whose disk fails ends, and says so; it never goes on with what may not be on the disk."""
    node = victim(world, rng)
    node.ended.add(BROKEN_DISK)
    calls = rng.choice(["fdatasync,fsync", "fdatasync,fsync,pwrite64"])
    tracer = traced(node, f"{calls}:error={rng.choice(['EIO', 'EDQUOT'])}")
    hold(rng, 1, 4)
    untraced(tracer)
    if not node.running():
        node.start()
    node.ended.discard(BROKEN_DISK)


def slow_disk(world, rng, book):
    node = victim(world, rng)
    delay = rng.choice([20_000, 100_000, 500_000])
    tracer = traced(node, f"fdatasync,fsync,io_submit,pwrite64:delay_enter={delay}")
    hold(rng, 1, 5)
    untraced(tracer)


def lost_disk(world, rng, book):
    """A node has lost all it had, and comes again under the id it had: the others have what it acknowledged."""
    node = victim(world, rng)
    node.kill()
    node.empty()
    hold(rng, 0, 2)
    node.join(next(other for other in world.nodes if other is not node))
    world.until(lambda: world.caught_up(node), f"node {node.number} has again what it had lost")


def older_disk(world, rng, book):
    """A node's directory is put back to a copy, which lacks what the node has acknowledged since."""
    node = victim(world, rng)
    node.kill()
    with node.copied() as copy:
        node.start()
        world.until(lambda: world.caught_up(node), f"node {node.number} is back")
        hold(rng, 2, 6)  # the others remember what it acknowledges, and note it once a second
        node.kill()
        node.empty()
        shutil.copytree(copy, node.directory)
    hold(rng, 0, 2)
    node.start()
    world.until(lambda: world.caught_up(node), f"node {node.number} has again what its copy lacks")


def cloned_disk(world, rng, book):
    """A node runs twice, the second time from a copy. The leader refuses the clone, and says so at most once a minute."""
    leader = world.leader()
    node = rng.choice([other for other in world.nodes if other is not leader])
    node.kill()
    with node.copied() as copy:
        node.start()
        world.until(lambda: world.caught_up(node), f"node {node.number} is back")
        said = leader.said(RUNS_TWICE)
        with node.clone(copy) as clone:
            world.until(lambda: leader.said(RUNS_TWICE) > said or world.leader() is not leader,
                        f"node {leader.number} says that node {node.number} runs twice", CLONE_PATIENCE)
            hold(rng, 0, 5)
            assert clone.poll() is None, f"the clone of node {node.number} has ended with {clone.returncode}"


# --- clients ---


def vanish(world, rng, book):
    """A client in a transaction is gone, without an end of its connection: others write again."""
    run("ip", "address", "replace", f"{VANISHING}/24", "dev", "br0")
    try:
        connection = Connection(inside(world.leader().number), 5, (VANISHING, 0)).open("app")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO rows VALUES (-1, 0, 0, 'never committed')")
    except (Failure, InDoubt, Unreachable):
        return  # another leader, just now
    run("ip", "address", "delete", f"{VANISHING}/24", "dev", "br0")
    world.gone.append(connection)  # which, closed, would say so
    seen = {writer: writer.last for writer in book.writers if writer.database == "app"}
    world.until(lambda: any(writer.last > last for writer, last in seen.items()),
                "the lock of a client that vanished is free", VANISHED_PATIENCE)


ANYWHERE = [kill, kill, kill_again_and_again, kill_all, terminate, pause, pause, pause_two, replace, full_disk, failing_disk,
            slow_disk, lost_disk, older_disk, cloned_disk, vanish]
DIRECT = [partition, partition, partition_of_two, partition_of_all, flapping]
LINKED = [half_open, half_open, flipped_bits, cut]
# With these nothing can be written for as long as they last.
SILENT = {kill_all, pause_two, partition_of_all}
