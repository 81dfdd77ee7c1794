"""The captured answers of a real dqlite server (spec/vectors), as Python sees them.

A server in the test hands out the captured bytes; what the package makes of them is compared with
what the captures say they are.
"""

import json
import pathlib
import struct

import pytest

import quorlite
from test_hostile import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEADER, OPEN, EXEC_SQL, QUERY_SQL, CLUSTER = 0, 3, 8, 9, 16  # requests
FAILURE, SERVER, SERVERS, DB, RESULT, ROWS = 0, 1, 3, 4, 6, 7  # responses
# After these the client looks for another leader, or tries again, before it reports anything.
TRIED_AGAIN = {5, 517, 12, 10250, 10506, 8202, 8458}
NO_BETTER_WORD = "leader exec failed"


def captured(kind):
    """The captured answers of this kind, each once, with what it says; rows up to their last batch."""
    found = {}
    for file in sorted((ROOT / "spec" / "vectors").glob("[0-9]*.json")):
        begun = {}
        for message in json.loads(file.read_text()).get("messages", []):
            if message["dir"] != "s2c" or message.get("kind") or not message.get("decoded"):
                continue
            said = message["decoded"]
            # Whatever else comes between batches, a failure above all, ends the rows.
            data, rows = begun.pop(message["conn"], (b"", []))
            if said["type"] != kind or (kind == "ROWS" and said["rows"] is None):
                continue
            data += bytes.fromhex(message["hex"])
            if kind == "ROWS":
                rows = rows + said["rows"]
                if said["eof"] != "DONE":
                    begun[message["conn"]] = data, rows
                    continue
            found[data] = pytest.param(data, dict(said, rows=rows), id=f"{file.stem}-{len(found)}")
    return list(found.values())


def message(kind, body):
    return struct.pack("<IBBH", len(body) // 8, kind, 0, 0) + body


def text(value):
    data = value.encode() + b"\0"
    return data + bytes(-len(data) % 8)


def receive(client, size):
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise OSError("the client is gone")
        data += part
    return data


def answering(data):
    """Speaks as the one node of a cluster does; statements get the captured answer."""

    def converse(client):
        address = text("%s:%d" % client.getsockname())
        answers = {LEADER: message(SERVER, struct.pack("<Q", 1) + address),
                   CLUSTER: message(SERVERS, struct.pack("<QQ", 1, 1) + address + bytes(8)),
                   OPEN: message(DB, bytes(8)), EXEC_SQL: data, QUERY_SQL: data}
        receive(client, 8)
        while True:
            words, request, _, _ = struct.unpack("<IBBH", receive(client, 8))
            receive(client, words * 8)
            client.sendall(answers[request])

    return converse


def value_of(said):
    """What Python makes of a value, texts as bytes."""
    kind, value = said["t"], said.get("v")
    if kind == "FLOAT":
        return struct.unpack("<d", bytes.fromhex(said["bits"]))[0]
    if kind == "BLOB":
        return bytes.fromhex(value)
    if kind == "ISO8601" and not value:
        return None  # how an old server says NULL
    if kind in ("TEXT", "ISO8601"):
        return value.encode(errors="surrogateescape")
    return None if kind == "NULL" else int(value)


@pytest.fixture
def database():
    servers = []

    def connect(data):
        servers.append(Server(answering(data)))
        db = quorlite.connect(servers[-1].__enter__().address, "db", isolation_level=None)
        db.text_factory = bytes
        return db

    yield connect
    for server in servers:
        server.__exit__()


@pytest.mark.parametrize(("data", "said"), captured("ROWS"))
def test_rows(database, data, said):
    db = database(data)
    cursor = db.execute("SELECT captured")
    assert [column[0] for column in cursor.description or ()] == said["columns"]
    wanted = [tuple(value_of(each) for each in row) for row in said["rows"]]
    # As text: a NaN equals nothing.
    assert repr(cursor.fetchall()) == repr(wanted)
    db.close()


@pytest.mark.parametrize(("data", "said"), captured("RESULT"))
def test_results(database, data, said):
    db = database(data)
    cursor = db.execute("INSERT captured")
    (rowid,) = struct.unpack("<q", struct.pack("<Q", said["last_insert_id"]))
    assert (cursor.lastrowid, cursor.rowcount) == (rowid, said["rows_affected"])
    db.close()


def failures():
    return [each for each in captured("FAILURE") if each.values[1]["code"] not in TRIED_AGAIN
            and each.values[1]["message"] != NO_BETTER_WORD]


@pytest.mark.parametrize(("data", "said"), failures())
def test_failures(database, data, said):
    db = database(data)
    with pytest.raises(quorlite.Error) as caught:
        db.execute("INSERT captured")
    assert caught.value.sqlite_errorcode == said["code"]
    assert said["message"] in str(caught.value)
    db.close()


def test_there_are_enough():
    for found, least in ((captured("ROWS"), 80), (captured("RESULT"), 10), (failures(), 40)):
        assert len(found) >= least
