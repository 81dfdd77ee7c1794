"""Real quorlited processes on this machine: started, signalled and watched. Standard library only.

Every process that is started is ended, by its own number, when the Cluster is closed.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from client import SPARE, VOTER, Client, Connection, Failure, InDoubt, Unreachable, find_leader, until

ROOT = pathlib.Path(__file__).resolve().parents[2]


def default_binary():
    chosen = os.environ.get("QUORLITED")
    return pathlib.Path(chosen) if chosen else ROOT / "build/release/engine/server/quorlited"


def free_ports(count):
    """Ports that nobody uses now. They are outside of the range that the kernel gives to clients, so that
    a client's connection cannot take the port of a node that is down."""
    found = []
    start = 20000 + os.getpid() % 500 * 20
    for port in range(start, start + 10000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")


def founding(binary):
    """What a node is told that is to start a new cluster. Version 0.1 did so unasked."""
    said = subprocess.run([str(binary), "--help"], capture_output=True, text=True, check=True).stdout
    return ["--bootstrap"] if "--bootstrap" in said else []


class Node:
    def __init__(self, binary, directory, address, options):
        self.binary = binary
        self.directory = directory
        self.address = address
        self.options = options
        self.process = None
        self.log = directory.with_suffix(".log")

    def start(self, *options):
        command = [str(self.binary), "--dir", str(self.directory), *options, *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout=20):
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def restart(self, timeout=20):
        status = self.stop(timeout)
        if status != 0:
            raise AssertionError(f"{self.address} ended with status {status}")
        self.start()

    def kill_and_restart(self):
        self.kill()
        self.start()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        if self.running():
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    def memory_kb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0


class Cluster:
    """`count` nodes; the first starts the cluster, the others join it. A context manager."""

    def __init__(self, directory, count=3, binary=None, options=()):
        self.directory = pathlib.Path(directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.at_close = []
        binary = binary or default_binary()
        self.nodes = [
            Node(binary, self.directory / f"node{i + 1}", f"127.0.0.1:{port}", list(options))
            for i, port in enumerate(free_ports(count))
        ]

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def addresses(self):
        return [node.address for node in self.nodes]

    def start(self):
        first, *others = self.nodes
        first.start("--address", first.address, *founding(first.binary))
        find_leader([first.address], 10).close()
        for node in others:
            node.start("--address", node.address, "--join", first.address)
        self.wait_members(len(self.nodes))

    def wait_members(self, count, timeout=20):
        """Until the cluster has `count` members, three of which vote."""
        self.until(lambda: self.settled(count), timeout, f"{count} members")

    def settled(self, count):
        connection = find_leader(self.addresses, 5)
        members = connection.members()
        connection.close()
        voters = sum(role == VOTER for _, _, role in members)
        return len(members) == count and voters >= min(count, 3) and all(role != SPARE for _, _, role in members)

    def until(self, condition, timeout, what):
        try:
            until(condition, timeout, what)
        except TimeoutError as late:
            raise TimeoutError(f"{late}\n{self.logs()}") from None

    def leader(self, timeout=15):
        """The node that leads."""
        connection = find_leader([n.address for n in self.nodes if n.running()], timeout)
        connection.close()
        return self.node_at(connection.address)

    def node_at(self, address):
        return next(node for node in self.nodes if node.address == address)

    def client(self, **options):
        return Client(self.addresses, **options)

    def connect(self, timeout=15):
        """A plain connection to the leader with the database open."""
        return find_leader(self.addresses, timeout).open("live")

    def logs(self, lines=15):
        parts = []
        for node in self.nodes:
            if node.log.exists():
                tail = node.log.read_text(errors="replace").splitlines()[-lines:]
                parts.append(f"--- {node.log.name}\n" + "\n".join(tail))
        return "\n".join(parts)

    def close(self):
        for action in self.at_close:
            action()
        for node in self.nodes:
            node.close()


__all__ = ["Cluster", "Client", "Connection", "Failure", "InDoubt", "Node", "ROOT", "Unreachable", "default_binary",
           "find_leader", "founding", "free_ports"]
