"""What making and checking golden directories share: addresses, archives, questions.

A set is what a cluster left on its disks, `NAME.tar.xz`, with `NAME.json` beside it, which says what must be read from it:

    nodes       directory -> address
    runs        lists of directories that are started together
    members     how many members the cluster has once all of them run
    databases   name -> [[SQL, rows], ...], the rows as the binary that made the set answered
"""

import json
import os
import pathlib
import re
import shutil
import socket
import sys
import tarfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "live"))

from cluster import Node, Unreachable, find_leader  # noqa: E402

# Addresses are part of what a node has on its disk, so they are always the same. Nothing else uses these.
PORT = 9001
LOCK = ("127.61.0.99", PORT)


def address(number):
    return f"127.61.0.{number}:{PORT}"


def alone(patience=600):
    """Who holds this socket may use the addresses."""
    deadline = time.monotonic() + patience
    while True:
        lock = socket.socket()
        lock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            lock.bind(LOCK)
            lock.listen()
            return lock
        except OSError:
            lock.close()
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def pack(directory, archive, names):
    """The directories `names` in `directory`, without what only a running node needs."""
    def kept(member):
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return None if member.name.endswith("/lock") else member

    with tarfile.open(archive, "w:xz", preset=9) as out:
        for name in names:
            out.add(directory / name, name, filter=kept)


def unpack(archive, directory):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        packed.extractall(directory)


def load(path):
    return json.loads(path.read_text())


def save(path, description):
    """One line for each row, so that it can be read."""
    text = json.dumps(description, indent=1, ensure_ascii=False)
    rows = re.compile(r"\[\n\s+((?:[^\[\]\n]+\n\s+)+)\]")
    path.write_text(rows.sub(lambda row: "[" + " ".join(line.strip() for line in row.group(1).splitlines()).strip() + "]", text) + "\n")


class Running:
    """The nodes of one run, started on their directories with nothing but `--dir`."""

    def __init__(self, binary, directory, addresses, options=()):
        self.nodes = [Node(binary, directory / name, at, list(options)) for name, at in addresses.items()]

    def __enter__(self):
        for node in self.nodes:
            node.start()
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.close()

    def leader(self, timeout=60):
        try:
            return find_leader([node.address for node in self.nodes], timeout)
        except Unreachable as error:
            raise AssertionError(f"{error}\n{self.logs()}") from error

    def query(self, database, sql):
        connection = self.leader().open(database)
        try:
            return [list(row) for row in connection.query(sql)]
        finally:
            connection.close()

    def stop(self):
        for node in self.nodes:
            status = node.stop(60)
            assert status == 0, f"{node.directory.name} ended with {status}\n{self.logs()}"

    def logs(self):
        return "\n".join(f"--- {node.log.name}\n{node.log.read_text(errors='replace')[-2000:]}"
                         for node in self.nodes if node.log.exists())


def binary_argument(parser):
    parser.add_argument("--binary", type=pathlib.Path,
                        default=os.environ.get("QUORLITED", HERE.parents[1] / "build/release/engine/server/quorlited"))
