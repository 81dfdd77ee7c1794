"""Captures what nodes say to each other: every kind of message, as it was sent, described by the schema.

The nodes reach each other through a proxy that keeps what passes. `frames.json` has one object a line: a connection's opening
bytes (`opening`: the magic word and the Hello) or one payload (`frame`), and the fields of it as capnp reads them.
"""

import json
import pathlib
import socket
import struct
import subprocess
import tempfile
import threading
import time

import golden
from client import accept_all, until
from cluster import Connection, Node, find_leader, founding

SCHEMA = golden.HERE.parents[1] / "spec/peer.capnp"
MAGIC = b"quorlite"
PAYLOAD_MAX = 20000
OF_EACH = 2
KINDS = {"voteRequest", "voteReply", "appendRequest", "appendReply", "snapshotRequest", "snapshotReply", "timeoutNow",
         "chunkRequest", "chunk", "pageRequest", "pageReply"}


class Recorder:
    """Forwards connections from `at` to `to`, and keeps what nodes say on them."""

    def __init__(self, at, to, kept):
        self.to = to
        self.kept = kept
        self.listener = socket.create_server(at)
        accept_all(self.listener, self.record)

    def record(self, near):
        try:
            far = socket.create_connection(self.to)
        except OSError:
            near.close()
            return
        told = bytearray()
        self.kept.append(told)
        threading.Thread(target=self.forward, args=(near, far, told), daemon=True).start()
        threading.Thread(target=self.forward, args=(far, near, bytearray()), daemon=True).start()

    @staticmethod
    def forward(source, sink, told):
        try:
            while data := source.recv(1 << 16):
                told += data
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def cut(stream):
    """The opening and the payloads of one connection."""
    at = len(MAGIC)
    parts = []
    while at + 8 <= len(stream):
        length, _ = struct.unpack_from("<II", stream, at)
        end = at + 8 + length
        if end > len(stream):
            break
        parts.append(bytes(stream[at + 8 : end]))
        at = end + -length % 8
    opening = bytes(stream[: len(MAGIC) + 8 + len(parts[0]) + -len(parts[0]) % 8]) if parts else b""
    return opening, parts


def described(payload):
    done = subprocess.run(["capnp", "convert", "binary:json", str(SCHEMA), "Message"], input=payload, capture_output=True,
                          check=True)
    return hexadecimal(json.loads(done.stdout))


def hexadecimal(value, name=""):
    """Data as hexadecimal digits, not as an array of numbers; 64-bit numbers, which capnp quotes, as numbers."""
    if name in ("payload", "configuration", "manifest", "data"):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {key: hexadecimal(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [hexadecimal(inner) for inner in value]
    if isinstance(value, str) and name not in ("fromAddress", "database"):
        return int(value)
    return value


def shape(message):
    """What makes a message a case of its own."""
    kind = next(name for name in message if name in KINDS)
    body = message[kind]
    flags = tuple(sorted((name, value) for name, value in body.items() if isinstance(value, bool)))
    entries = tuple(entry["kind"] for entry in body.get("entries", []))[:3]
    return kind, flags, entries, bool(body.get("data")), message["cluster"] == 0


def hello_fields(payload):
    version, lowest, highest, channel, _, sender, length = struct.unpack_from("<HHHBBQH", payload)
    return {"version": version, "versionMin": lowest, "versionMax": highest, "channel": channel, "id": sender,
            "address": payload[18 : 18 + length].decode()}


def chosen(streams):
    lines, seen, kinds = [], {}, set()
    for stream in streams:
        if not stream.startswith(MAGIC):
            continue
        opening, (hello, *payloads) = cut(stream)
        fields = hello_fields(hello)
        key = (fields["id"], fields["channel"])
        if key not in seen:
            seen[key] = 1
            lines.append({"opening": opening.hex(), "fields": fields})
        for payload in payloads:
            if len(payload) > PAYLOAD_MAX or seen.get(kind_mark := payload[:40], 0):
                continue
            message = described(payload)
            mark = shape(message)
            if seen.get(mark, 0) == OF_EACH:
                continue
            seen[mark] = seen.get(mark, 0) + 1
            seen[kind_mark] = 1
            kinds.add(mark[0])
            lines.append({"channel": fields["channel"], "frame": payload.hex(), "fields": message})
    assert kinds == KINDS, f"not captured: {KINDS - kinds}"
    return lines


class Cluster:
    """Three nodes whose addresses are recorders."""

    def __init__(self, binary, directory, kept):
        self.nodes = {}
        self.recorders = []
        for number in (1, 2, 3):
            inside = (f"127.61.1.{number}", golden.PORT)
            address = golden.address(number)
            self.recorders.append(Recorder((f"127.61.0.{number}", golden.PORT), inside, kept))
            options = ["--address", address, "--listen", f"{inside[0]}:{inside[1]}", "--flush-size", "64KiB", "--log-tail",
                       "64KiB", "--disk", "portable"]
            self.nodes[number] = Node(binary, directory / f"node{number}", address, options)
        self.nodes[1].start("--id", "1", *founding(binary))
        self.leader().close()
        for number in (2, 3):
            self.nodes[number].start("--id", str(number), "--join", golden.address(1))
        until(lambda: [role for _, _, role in self.leader().members()] == [0, 0, 0], 30, "three voters")

    def leader(self, database=None):
        up = [node.address for node in self.nodes.values() if node.running()]
        connection = find_leader(up, 20)
        return connection.open(database) if database else connection

    def number(self):
        return self.leader().leader()[0]

    def close(self):
        for node in self.nodes.values():
            node.close()
        for recorder in self.recorders:
            recorder.listener.close()


def lead(cluster, number):
    def leads():
        if cluster.number() != number:
            cluster.leader().transfer(number)
        return cluster.number() == number
    until(leads, 30, "it leads")


def converse(cluster):
    """Until everything that nodes can say was said."""
    cluster.leader("small").execute("CREATE TABLE t(a)")
    connection = cluster.leader("app")
    connection.execute("CREATE TABLE t(a)")
    for value in range(3):
        connection.execute("INSERT INTO t VALUES (?)", value)
    together = [cluster.leader("app") for _ in range(8)]
    for one in together:
        one.send(8, bytes(8) + b"INSERT INTO t VALUES(7);".ljust(32, b"\0"))
    for one in together:
        one.receive()
    lead(cluster, 2)
    lead(cluster, 1)
    cluster.nodes[3].kill()  # it comes back to a log that does not reach back
    connection = cluster.leader("app")
    connection.execute("CREATE TABLE u(a)")
    connection.execute("INSERT INTO u VALUES (zeroblob(200000))")
    base = cluster.nodes[1].directory / "databases" / "000001.db"
    until(lambda: base.exists() and base.stat().st_size > 200000, 30, "a flush")
    time.sleep(1)
    connection.execute("INSERT INTO t SELECT a FROM t")
    cluster.nodes[3].start()
    until(lambda: Connection(golden.address(3)).leader()[1], 30, "the third node is back")
    time.sleep(1)
    cluster.nodes[1].kill()
    until(lambda: cluster.number() != 1, 30, "another leader")
    cluster.leader("app").execute("INSERT INTO t VALUES (9)")
    cluster.nodes[1].start()
    until(lambda: Connection(golden.address(1)).leader()[1], 30, "the first node is back")
    assert cluster.nodes[2].stop() == 0
    damage(cluster.nodes[2].directory / "databases" / "000001.db")
    cluster.nodes[2].start()
    until(lambda: Connection(golden.address(2)).leader()[1], 30, "the second node is back")
    lead(cluster, 2)
    until(lambda: cluster.leader("app").query("SELECT count(*) FROM t")[0][0] > 20, 30, "20 rows")
    time.sleep(1)


def damage(path):
    with path.open("r+b") as file:
        file.seek(4096 + 100)
        file.write(b"damaged")


def make(binary, path):
    kept = []
    with tempfile.TemporaryDirectory() as place:
        cluster = Cluster(binary, pathlib.Path(place), kept)
        try:
            converse(cluster)
        finally:
            cluster.close()
    lines = chosen(kept)
    path.write_text("[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n")
    print(f"frames: {len(lines)}, {path.stat().st_size // 1024 + 1} kB", flush=True)
