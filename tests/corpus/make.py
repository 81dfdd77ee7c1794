#!/usr/bin/env python3
"""Statements of SQL, and what SQLite says of each: for what clients take statements for by themselves.

Usage: make.py OUT

The statements are those of SQLite's own tests (public domain; Debian's copy of the source of 3.40.1, fetched by hash).
Each test is carried out in a database in memory, by a process of its own, and each of its statements that SQLite
accepts becomes a line of OUT: {"sql", a little of what follows included, "used": bytes of it that are the
statement, "reads": whether SQLite says that it changes nothing, "columns", "count": of parameters}.
Statements that begin or end transactions, and ATTACH, change nothing by themselves; PRAGMA counts as SQLite counts it.
"""

import ctypes
import ctypes.util
import json
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

SOURCE = "sqlite3_3.40.1.orig.tar.xz"
SHA256 = "aaa776260ab4dc976db34aa7891819484c8676b5b2783123ebc6301e2ca5d655"
FETCH = pathlib.Path(__file__).resolve().parents[1] / "debian-source"
SECONDS_MAX = 120  # for one test, on a busy machine
STEPS_MAX = 50  # rows of one statement
TICKS_MAX = 50  # of 1000 instructions of SQLite's
TAIL_BYTES = 60

# What Tcl hands to SQLite as it stands, between braces.
_BLOCK = re.compile(
    r"(?:execsql|catchsql|db\s+(?:eval|one)|explain|do_(?:execsql|catchsql|eqp)_test(?:\s+-db\s+\S+)?\s+\S+)\s*\{"
)


def blocks(text):
    for found in _BLOCK.finditer(text):
        depth, at = 1, found.end()
        while at < len(text) and depth:
            if text[at] == "\\":
                at += 1
            depth += {"{": 1, "}": -1}.get(text[at : at + 1], 0)
            at += 1
        yield text[found.end() : at - 1]


class Database:
    """SQLite by its C interface: Python's own module does not tell what is asked here."""

    ROW = 100

    def __init__(self):
        self._lib = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
        self._db = ctypes.c_void_p()
        if self._lib.sqlite3_open(b":memory:", ctypes.byref(self._db)):
            raise RuntimeError("SQLite opens no database")
        self._ticks = 0
        handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
        self._on_tick = handler(self._tick)  # SQLite keeps no reference
        self._lib.sqlite3_progress_handler(self._db, 1000, self._on_tick, None)

    def _tick(self, _):
        self._ticks += 1
        return self._ticks > TICKS_MAX

    def first(self, text):
        """What SQLite says of the first statement, which it also carries out: (bytes used, description or None).
        Nothing if it refuses it."""
        self._ticks = 0
        buffer = ctypes.create_string_buffer(text)
        statement, tail = ctypes.c_void_p(), ctypes.c_void_p()
        refused = self._lib.sqlite3_prepare_v2(
            self._db, buffer, len(text) + 1, ctypes.byref(statement), ctypes.byref(tail)
        )
        used = (tail.value or 0) - ctypes.addressof(buffer)
        if refused or used <= 0:
            return None
        if not statement:
            return used, None
        reads = self._lib.sqlite3_stmt_readonly(statement) or self._lib.sqlite3_stmt_isexplain(statement)
        said = {
            "reads": bool(reads),
            "columns": self._lib.sqlite3_column_count(statement),
            "count": self._lib.sqlite3_bind_parameter_count(statement),
        }
        for _ in range(STEPS_MAX):
            if self._lib.sqlite3_step(statement) != self.ROW:
                break
        self._lib.sqlite3_finalize(statement)
        return used, said


def tell(path):
    """Prints a line for each statement of one test."""
    database = Database()
    for block in blocks(pathlib.Path(path).read_text(encoding="utf-8", errors="replace")):
        rest = block.encode().split(b"\0")[0]
        while rest and (found := database.first(rest)):
            used, said = found
            if said:
                sql = rest[: used + TAIL_BYTES].decode(errors="ignore")
                print(json.dumps({"sql": sql, "used": used, **said}), flush=True)
            rest = rest[used:]


def told(path):
    """The lines for one test, from a process of its own: some tests are made to end SQLite."""
    with tempfile.TemporaryDirectory() as scratch:  # for what is attached
        command = [sys.executable, os.path.abspath(__file__), "--tell", str(path)]
        with open(os.path.join(scratch, "out"), "w+b") as out:
            try:
                subprocess.run(command, cwd=scratch, stdout=out, stderr=subprocess.DEVNULL, timeout=SECONDS_MAX, check=False)
            except subprocess.TimeoutExpired:
                print(f"{path.name} took longer than {SECONDS_MAX} s: what it said until then is used", file=sys.stderr)
            out.seek(0)
            return [line for line in out.read().splitlines() if line.endswith(b"}")]


def fetched(folder):
    """SQLite's tests, unpacked."""
    subprocess.run([FETCH, "sqlite3", SOURCE, SHA256, folder], check=True)
    with tarfile.open(pathlib.Path(folder, SOURCE)) as tar:
        tests = [each for each in tar if each.isfile() and re.fullmatch(r"[^/]+/test/[^/]+\.test", each.name)]
        tar.extractall(folder, members=tests)
    return sorted(pathlib.Path(folder).glob("*/test/*.test"))


def main():
    if sys.argv[1] == "--tell":
        return tell(sys.argv[2])
    out = pathlib.Path(sys.argv[1])
    lines = {}
    with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool() as pool:
        for said in pool.imap(told, fetched(folder), chunksize=8):
            lines.update({json.loads(line)["sql"]: line for line in said})
    unfinished = out.with_suffix(".unfinished")
    unfinished.write_bytes(b"\n".join(lines.values()) + b"\n")
    unfinished.rename(out)
    print(f"{len(lines)} statements")


if __name__ == "__main__":
    main()
