"""First inputs for the fuzz targets, made from the captures of real servers in spec/vectors.

A target whose format is our own (log segments, manifests, frames between nodes) begins with nothing: it builds
its checksums itself, so that the fuzzer gets past them unaided.
"""

import hashlib
import json
import pathlib

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "spec/vectors"

HEADER_BYTES = 8
ROWS = 7
EXEC, QUERY, EXEC_SQL, QUERY_SQL = 5, 6, 8, 9
SQL_BEARING = {EXEC_SQL, QUERY_SQL}
SESSION_PIECE = 255


def conversations():
    """(direction, bytes) of every message, for each connection of the client captures."""
    for path in [*sorted(VECTORS.glob("[0-9]*.json")), VECTORS / "run.json"]:
        if path.name.startswith(("3", "40")):  # peers and disks of the other server
            continue
        connections = {}
        for message in json.loads(path.read_text())["messages"]:
            if message["dir"] != "event":
                data = bytes.fromhex(message.get("hex", ""))
                connections.setdefault(message.get("conn", ""), []).append((message["dir"], message.get("kind"), data))
        yield from connections.values()


def parameters_of(message):
    """The parameter tuple behind the fixed part of a request, after one byte that names its format."""
    kind, schema, body = message[4], message[5], message[HEADER_BYTES:]
    if kind in (EXEC, QUERY):
        return bytes([schema & 1]) + body[8:]
    if kind in SQL_BEARING and b"\0" in body[8:]:
        text = body.index(b"\0", 8) + 1
        return bytes([schema & 1]) + body[(text + 7) // 8 * 8 :]
    return None


def session_moves(stream):
    """As fuzz_session takes it: move 0 of client 0 sends so many bytes of its own."""
    for at in range(0, len(stream), SESSION_PIECE):
        piece = stream[at : at + SESSION_PIECE]
        yield bytes([0, len(piece)]) + piece


def inputs():
    """(target, input) for everything that the captures offer."""
    for conversation in conversations():
        sent = b"".join(data for direction, _, data in conversation if direction == "c2s")
        yield "fuzz_session", b"".join(session_moves(sent))
        yield "fuzz_wire_stream", b"\3" + sent[8:]
        for direction, kind, data in conversation:
            if kind or len(data) < HEADER_BYTES:
                continue
            if direction == "c2s":
                yield "fuzz_wire_request", data
                parameters = parameters_of(data)
                if parameters:
                    yield "fuzz_wire_parameters", parameters
            else:
                yield "fuzz_wire_response", data
                if data[4] == ROWS:
                    yield "fuzz_wire_rows", data[HEADER_BYTES:]


def write(directory, bytes_max=4096):
    """Writes them below `directory`, one folder for each target, named by content."""
    for target, data in inputs():
        if 0 < len(data) <= bytes_max:
            folder = directory / target
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
