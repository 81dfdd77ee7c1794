"""A small client of the wire protocol, for tests: standard library only, blocking, one request at a time.

    connection = Connection("127.0.0.1:9001")      one socket, requests as methods
    client = Client(["127.0.0.1:9001", ...])       finds the leader, retries what is safe to retry

What a request may end in, besides its answer:
    Failure     the server answered with an error; code NOT_LEADER: nothing was done
    InDoubt     the connection broke, or leadership was lost, with the request under way
    Unreachable nobody could be reached, so nothing was asked
"""

import socket
import struct
import threading
import time

VERSION = 1
NOT_LEADER = 10250
LEADERSHIP_LOST = 10506
BUSY = 5
VOTER, STANDBY, SPARE = 0, 1, 2

ROWS_DONE = 0xFFFFFFFFFFFFFFFF
ROWS_PART = 0xEEEEEEEEEEEEEEEE

# Requests and responses by number (specification, sections 6 and 7).
LEADER, CLIENT = 0, 1
OPEN, PREPARE, EXEC, QUERY, FINALIZE, EXEC_SQL, QUERY_SQL, INTERRUPT = range(3, 11)
ADD, ASSIGN, REMOVE, DUMP, CLUSTER, TRANSFER, DESCRIBE, WEIGHT = range(12, 20)
STATUS = 128
FAILURE, SERVER, WELCOME, SERVERS, DB, STMT, RESULT, ROWS, EMPTY, FILES, METADATA = range(11)


class Failure(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class InDoubt(Exception):
    """The request was sent, and whether it was carried out is not known."""


class Unreachable(Exception):
    """Nothing was sent."""


def until(condition, timeout, what):
    """Waits for a condition, which may fail for want of a leader meanwhile."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            if condition():
                return
        except (Failure, InDoubt, Unreachable):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


def accept_all(listener, take):
    """Calls take(socket) for whoever connects, until the listener is closed."""

    def accept():
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            take(near)

    threading.Thread(target=accept, daemon=True).start()


def parse_address(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def pad(data):
    return data + b"\0" * (-len(data) % 8)


def text(value):
    return pad(value.encode() + b"\0")


def parameters(values):
    """A parameter tuple; the schema that goes with it is 1 for more than 255 values."""
    if not values:
        return b"", 0
    codes, body = b"", b""
    for value in values:
        if value is None:
            codes, body = codes + b"\5", body + bytes(8)
        elif isinstance(value, bool):
            codes, body = codes + b"\x0b", body + struct.pack("<q", value)
        elif isinstance(value, int):
            codes, body = codes + b"\1", body + struct.pack("<q", value)
        elif isinstance(value, float):
            codes, body = codes + b"\2", body + struct.pack("<d", value)
        elif isinstance(value, str):
            codes, body = codes + b"\3", body + text(value)
        else:
            codes, body = codes + b"\4", body + struct.pack("<Q", len(value)) + pad(bytes(value))
    wide = len(values) > 255
    count = struct.pack("<I", len(values)) if wide else bytes([len(values)])
    return pad(count + codes) + body, int(wide)


class Reader:
    """The fields of a message, one after the other."""

    def __init__(self, body):
        self.body = body
        self.at = 0

    def number(self, form="<Q"):
        size = struct.calcsize(form)
        (value,) = struct.unpack_from(form, self.body, self.at)
        self.at += size
        return value

    def text(self):
        end = self.body.index(b"\0", self.at)
        value = self.body[self.at : end].decode()
        self.at += -(-(end + 1 - self.at) // 8) * 8
        return value

    def blob(self):
        size = self.number()
        value = bytes(self.body[self.at : self.at + size])
        self.at += -(-size // 8) * 8
        return value

    def row(self, columns):
        head = -(-columns // 16) * 8
        codes = [(self.body[self.at + i // 2] >> (4 * (i % 2))) & 15 for i in range(columns)]
        self.at += head
        return tuple(self.value(code) for code in codes)

    def value(self, code):
        if code in (1, 9):
            return self.number("<q")
        if code == 2:
            return self.number("<d")
        if code in (3, 10):
            return self.text()
        if code == 4:
            return self.blob()
        if code == 11:
            return self.number("<q") != 0
        self.number()
        return None


class Connection:
    def __init__(self, address, timeout=10.0, source=None):
        self.address = address
        try:
            self.socket = socket.create_connection(parse_address(address), timeout, source)
        except OSError as error:
            raise Unreachable(f"{address}: {error}") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unsent = struct.pack("<Q", VERSION)
        self.received = bytearray()

    def close(self):
        self.socket.close()

    # --- messages ---

    def send(self, kind, body, schema=0):
        data = self.unsent + struct.pack("<IBBH", len(body) // 8, kind, schema, 0) + body
        self.unsent = b""
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise InDoubt(f"{self.address}: {error}") from error

    def receive(self):
        words, kind, _, _ = struct.unpack("<IBBH", self.take(8))
        return kind, Reader(self.take(8 * words))

    def take(self, count):
        while len(self.received) < count:
            try:
                data = self.socket.recv(1 << 16)
            except OSError as error:
                raise InDoubt(f"{self.address}: {error}") from error
            if not data:
                raise InDoubt(f"{self.address}: connection closed")
            self.received += data
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken

    def ask(self, kind, body, expected, schema=0):
        self.send(kind, body, schema)
        return self.answer(expected)

    def answer(self, expected):
        kind, reader = self.receive()
        if kind == FAILURE:
            code = reader.number()
            raise Failure(code, reader.text())
        if kind != expected:
            raise AssertionError(f"answer {kind} where {expected} was expected")
        return reader

    def stream(self, count, out):
        """As take(), but a long part goes to a file as it comes."""
        while count > 0:
            part = self.take(min(count, 1 << 20))
            out.write(part)
            count -= len(part)

    # --- requests ---

    def leader(self):
        """(id, address) of the leader; (0, "") if this node knows none."""
        reader = self.ask(LEADER, bytes(8), SERVER)
        return reader.number(), reader.text()

    def hello(self, client=1):
        return self.ask(CLIENT, struct.pack("<Q", client), WELCOME).number()

    def open(self, name):
        self.ask(OPEN, text(name) + bytes(8) + text("test"), DB)
        return self

    def execute(self, sql, *values):
        """(last insert id, rows affected)."""
        tuple_, schema = parameters(values)
        reader = self.ask(EXEC_SQL, bytes(8) + text(sql) + tuple_, RESULT, schema)
        return reader.number("<q"), reader.number()

    def query(self, sql, *values):
        """All rows."""
        self.send_query(sql, *values)
        rows = []
        while not self.receive_batch(rows):
            pass
        return rows

    def send_query(self, sql, *values):
        tuple_, schema = parameters(values)
        self.send(QUERY_SQL, bytes(8) + text(sql) + tuple_, schema)

    def receive_batch(self, rows):
        """Appends one batch to `rows`. True if it was the last."""
        reader = self.answer(ROWS)
        columns = reader.number()
        for _ in range(columns):
            reader.text()
        while True:
            (mark,) = struct.unpack_from("<Q", reader.body, reader.at)
            if mark in (ROWS_DONE, ROWS_PART):
                return mark == ROWS_DONE
            rows.append(reader.row(columns))

    def dump(self, name, path):
        """Writes the node's own copy of a database to a file."""
        self.send(DUMP, text(name))
        words, kind, _, _ = struct.unpack("<IBBH", self.take(8))
        if kind == FAILURE:
            reader = Reader(self.take(8 * words))
            raise Failure(reader.number(), reader.text())
        count = struct.unpack("<Q", self.take(8))[0]
        assert count == 2, "a database and its WAL"
        with open(path, "wb") as database:
            for out in (database, None):
                while b"\0" not in self.take(8):
                    pass
                size = struct.unpack("<Q", self.take(8))[0]
                assert out or size == 0, "the WAL is merged into the database"
                if out:
                    self.stream(size, out)

    def status(self):
        """The node's own figures, by name."""
        self.send(STATUS, bytes(8))
        kind, reader = self.receive()
        if kind == FAILURE:
            raise Failure(reader.number(), reader.text())
        names = ("id", "state", "term", "leader", "first", "last", "durable", "committed", "applied", "flushed")
        return {name: reader.number() for name in names}

    def members(self):
        """[(id, address, role)]."""
        reader = self.ask(CLUSTER, struct.pack("<Q", 1), SERVERS)
        return [(reader.number(), reader.text(), reader.number()) for _ in range(reader.number())]

    def add(self, node, address):
        self.ask(ADD, struct.pack("<Q", node) + text(address), EMPTY)

    def assign(self, node, role):
        self.ask(ASSIGN, struct.pack("<QQ", node, role), EMPTY)

    def remove(self, node):
        self.ask(REMOVE, struct.pack("<Q", node), EMPTY)

    def transfer(self, node=0):
        self.ask(TRANSFER, struct.pack("<Q", node), EMPTY)


def find_leader(addresses, timeout=10.0, answer_within=1.0, patience=30.0):
    """A connection to the leader. Its answers are then waited for `patience` seconds."""
    deadline = time.monotonic() + timeout
    last = "nobody was asked"
    while True:
        for address in addresses:
            try:
                connection = Connection(address, timeout=answer_within)
                _, leader = connection.leader()
                if leader and leader != address:
                    connection.close()
                    connection = Connection(leader, timeout=answer_within)
                    _, again = connection.leader()
                    leader = leader if again == leader else ""
                if leader:
                    connection.socket.settimeout(patience)
                    return connection
                connection.close()
                last = f"{address} knows no leader"
            except (Unreachable, InDoubt, Failure) as error:
                last = str(error)
        if time.monotonic() > deadline:
            raise Unreachable(f"no leader among {addresses} within {timeout} s ({last})")
        time.sleep(0.005)


class Client:
    """Stays with the leader. Retries what was certainly not carried out; for the rest: InDoubt."""

    def __init__(self, addresses, database="live", timeout=15.0, answer_within=1.0, patience=30.0):
        self.addresses = list(addresses)
        self.database = database
        self.timeout = timeout
        self.answer_within = answer_within
        self.patience = patience
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def execute(self, sql, *values):
        return self.run(lambda connection: connection.execute(sql, *values))

    def query(self, sql, *values):
        while True:  # reading twice does no harm
            try:
                return self.run(lambda connection: connection.query(sql, *values))
            except InDoubt:
                continue

    def run(self, request):
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                return request(self.connected(deadline))
            except Failure as failure:
                if failure.code == LEADERSHIP_LOST:
                    self.close()
                    raise InDoubt(str(failure)) from failure
                if failure.code not in (NOT_LEADER, BUSY) or time.monotonic() > deadline:
                    raise
                self.close()
            except InDoubt:
                self.close()
                raise

    def connected(self, deadline):
        """The connection to the leader, with the database open. Until then nothing was asked."""
        while self.connection is None:
            left = max(0.0, deadline - time.monotonic())
            connection = find_leader(self.addresses, left, self.answer_within, self.patience)
            try:
                self.connection = connection.open(self.database)
            except (Failure, InDoubt) as error:
                connection.close()
                if time.monotonic() > deadline:
                    raise Unreachable(str(error)) from error
        return self.connection
