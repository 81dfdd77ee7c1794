"""Where a round takes place: network namespaces, disks of their own, and the nodes that live there.

The whole campaign runs in namespaces (network, mounts, processes) that `tests/live/campaign/run` made, so nothing of it is seen
outside, and all of it is gone when it ends, however it ends.

    10.83.0.254       the bridge; clients and links are here
    10.83.0.N         node N listens here, in a network namespace of its own
    10.83.0.100+N     where a node is reached through a link of ours, if the round has links
"""

import contextlib
import pathlib
import shutil
import signal
import subprocess
import time

from cluster import Connection, Failure, InDoubt, Node, Unreachable, find_leader, founding
from links import Link

PORT = 9001
IMAGE_MEGABYTES = 200
# Who was away for a while gets a snapshot; a client that vanished is soon given up.
OPTIONS = ["--flush-size", "256KiB", "--log-tail", "256KiB", "--idle-transaction", "5s"]
PATIENCE = 60
CLONE = 20  # the namespace of a node's second process


def run(*command, check=True, **more):
    return subprocess.run([str(part) for part in command], check=check, capture_output=True, text=True, **more)


def inside(number):
    return f"10.83.0.{number}:{PORT}"


def outside(number):
    return f"10.83.0.{100 + number}:{PORT}"


def make_bridge():
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "address", "add", "10.83.0.254/24", "dev", "br0")
    run("ip", "link", "set", "br0", "up")
    for number in (101, 102, 103):
        run("ip", "address", "add", f"10.83.0.{number}/24", "dev", "br0")


class Port:
    """A network namespace with one interface at the bridge."""

    def __init__(self, number):
        self.name = f"port{number}"
        self.keeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = pathlib.Path("/proc/self/ns/net").readlink()
        there = pathlib.Path(f"/proc/{self.keeper.pid}/ns/net")
        while there.readlink() == own:
            time.sleep(0.01)
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.keeper.pid)
        run("ip", "link", "set", self.name, "master", "br0", "up")
        for command in (("address", "add", f"10.83.0.{number}/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                        ("link", "set", "lo", "up")):
            run(*self.enter, "ip", *command)

    @property
    def enter(self):
        return ["nsenter", "--target", str(self.keeper.pid), "--net"]

    def connect(self, up):
        run("ip", "link", "set", self.name, "up" if up else "down")

    def isolate(self, on):
        """Isolated ports do not reach each other, and everyone else."""
        run("bridge", "link", "set", "dev", self.name, "isolated", "on" if on else "off")

    def close(self):
        self.keeper.kill()
        self.keeper.wait()
        run("ip", "link", "delete", self.name, check=False)


class Disk:
    """A small file system in a file."""

    def __init__(self, image, place):
        self.place = place
        self.filler = place / "filler"
        place.mkdir(parents=True)
        with image.open("wb") as file:
            file.truncate(IMAGE_MEGABYTES << 20)
        run("mkfs.ext4", "-q", "-m", "0", image)
        run("mount", "-o", "loop", image, place)

    def fill(self):
        with self.filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def empty(self):
        self.filler.unlink(missing_ok=True)

    def close(self):
        run("umount", "-l", self.place, check=False)


class Place(Node):
    """A node with its namespace, its disk, and perhaps a link of ours before it."""

    def __init__(self, binary, directory, number, linked):
        self.number = number
        self.port = Port(number)
        self.disk = Disk(directory / f"disk{number}", directory / f"mount{number}")
        self.link = Link(outside(number), inside(number)) if linked else None
        self.ended = set()  # the statuses with which it may end by itself at the moment
        super().__init__(binary, directory / f"mount{number}" / "node", outside(number) if linked else inside(number),
                         ["--listen", inside(number), "--id", str(number), *OPTIONS])
        self.log = directory / f"node{number}.log"

    def start(self, *options):
        command = [*self.port.enter, str(self.binary), "--dir", str(self.directory), *options, *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        return self

    def join(self, first):
        self.start("--address", self.address, "--join", first.address)

    def fresh_number(self, number):
        self.options[self.options.index("--id") + 1] = str(number)
        self.empty()

    def empty(self):
        shutil.rmtree(self.directory)

    @contextlib.contextmanager
    def copied(self):
        """A copy of its directory, for as long as it is needed. The node does not run."""
        copy = self.log.with_name("copy")
        shutil.copytree(self.directory, copy)
        try:
            yield copy
        finally:
            shutil.rmtree(copy)

    @contextlib.contextmanager
    def clone(self, directory):
        """The process of a second node of the same name, which reaches all others, and nobody reaches it."""
        port = Port(CLONE)
        options = ["--listen", inside(CLONE), *OPTIONS]
        with self.log.with_name("clone.log").open("ab") as log:
            process = subprocess.Popen([*port.enter, str(self.binary), "--dir", str(directory), *options],
                                       stderr=log, stdout=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            port.close()

    def said(self, words):
        """How often its log says that."""
        return self.log.read_text(errors="replace").count(words)

    def connection(self, timeout=2.0):
        """Straight to it, whatever its link does."""
        return Connection(inside(self.number), timeout)

    def status(self):
        connection = self.connection()
        try:
            return connection.status()
        finally:
            connection.close()

    def close(self):
        super().close()
        if self.link:
            self.link.close()
        self.port.close()
        self.disk.close()


class World:
    """Three nodes. They are linked by proxies of ours, or reach each other directly."""

    def __init__(self, binary, directory, linked):
        self.directory = directory
        self.linked = linked
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self.nodes = []
        self.next_id = 4
        self.gone = []  # connections of clients that vanished
        try:
            for number in (1, 2, 3):
                self.nodes.append(Place(binary, directory, number, linked))
            first, *others = self.nodes
            first.start("--address", first.address, *founding(binary))
            self.until(lambda: first.status()["leader"], "the first node leads")
            for node in others:
                node.join(first)
            self.until(self.whole, "three voters")
        except BaseException:
            self.close()
            raise

    @property
    def addresses(self):
        return [node.address for node in self.nodes]

    def until(self, condition, what, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while True:
            try:
                if answer := condition():
                    return answer
            except (Failure, InDoubt, Unreachable):
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s: {what}")
            time.sleep(0.02)

    def members(self):
        connection = find_leader(self.addresses, 2)
        try:
            return connection.members()
        finally:
            connection.close()

    def whole(self):
        members = self.members()
        return len(members) == len(self.nodes) and all(role == 0 for _, _, role in members)

    def leader(self):
        """The node that leads, or the first one if that is not known."""
        best, term = self.nodes[0], 0
        for node in self.nodes:
            if not node.running():
                continue
            try:
                status = node.connection(0.5).status()
            except (Failure, InDoubt, Unreachable):
                continue
            if status["leader"] == status["id"] and status["term"] > term:
                best, term = node, status["term"]
        return best

    def caught_up(self, node):
        """It has applied what the leader has in its log at this moment."""
        leader = self.leader().status()
        self.until(lambda: node.status()["applied"] >= leader["last"], f"node {node.number} has what the leader had")
        return leader["leader"] == leader["id"]

    def lead(self, node):
        """The node becomes the leader."""
        def leads():
            connection = find_leader(self.addresses, 2)
            number = next(member for member, address, _ in connection.members() if address == node.address)
            if connection.leader()[0] == number:
                return True
            connection.transfer(number)
            return False
        self.until(leads, f"node {node.number} leads")

    def look_after(self):
        """A node that has ended by itself, although it should not."""
        for node in self.nodes:
            code = node.process.poll()
            if code is None:
                continue
            assert code in node.ended, (f"node {node.number} has ended with {code}: "
                                        f"{node.log.read_text(errors='replace')[-500:]}")
            node.start()

    def heal(self):
        for node in self.nodes:
            node.port.connect(True)
            node.port.isolate(False)
            node.disk.empty()
            if node.link:
                node.link.heal()
            if node.running():
                node.signal(signal.SIGCONT)

    def close(self):
        for node in self.nodes:
            node.close()
