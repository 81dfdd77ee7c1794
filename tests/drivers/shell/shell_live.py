#!/usr/bin/env python3
"""The program `quorlite` against real nodes: as scripts use it, and as people do, on a terminal.

    shell_live.py --shell PROGRAM --binary QUORLITED --directory DATA [TEST...]

One cluster of three serves all tests; each uses a database of its own.
"""

import argparse
import contextlib
import csv
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "live"))
import databases  # noqa: E402
from cluster import Cluster, Connection, Node, free_ports  # noqa: E402

FAILED, IN_DOUBT, UNAVAILABLE, USAGE, INTERRUPTED = 1, 2, 3, 64, 130
REMOVED = 74  # the status of a node that is no member any more
BATCH = 5000  # rows that the shell inserts in one go (limits.h)
PATIENCE = 30
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

options = None
cluster = None


def arguments(*words, nodes=None):
    return [str(options.shell), "-c", nodes or ",".join(cluster.addresses), *words]


def run(*words, text="", status=0):
    """What was written to standard output, and to standard error."""
    done = subprocess.run(arguments(*words), input=text.encode(), capture_output=True, timeout=PATIENCE)
    output, errors = done.stdout.decode(), done.stderr.decode()
    if done.returncode != status:
        raise AssertionError(f"{words}: status {done.returncode}\n{output}\n{errors}")
    return output, errors


def status():
    return json.loads(run("--json", "", ".status")[0])


def nobody_lags():
    return all(row["lag"] == 0 for row in status())


def last_index(node):
    """Of the node's log, by its own STATUS (spec/wire-protocol.md, 6.19)."""
    connection = Connection(node.address)
    reader = connection.ask(128, bytes(8), 128)
    connection.close()
    return struct.unpack_from("<Q", reader.body, 8 * 5)[0]


class Terminal:
    """The shell on a terminal of its own."""

    def __init__(self, *words, nodes=None):
        history = options.directory / f"history.{time.monotonic_ns()}"
        self.process_id, self.file = pty.fork()
        if self.process_id == 0:
            environment = dict(os.environ, TERM="xterm", QUORLITE_HISTORY=str(history), LC_ALL="C.UTF-8")
            os.execve(options.shell, arguments(*words, nodes=nodes), environment)
        self.seen = ""

    def type(self, text):
        os.write(self.file, text.encode())

    def read(self, timeout):
        """Takes what was written. None: nothing came in time; False: the terminal is closed."""
        ready, _, _ = select.select([self.file], [], [], max(0, timeout))
        if not ready:
            return None
        try:
            data = os.read(self.file, 1 << 16)
        except OSError:  # how a terminal says that nobody has it open any more
            data = b""
        self.seen += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern):
        """Waits until what was written since the last call matches; returns the match."""
        end = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            if not self.read(end - time.monotonic()):
                raise AssertionError(f"no {pattern!r} in {self.seen!r}")

    def ask(self, text, pattern):
        self.type(text + "\r")
        return self.expect(pattern)

    def leave(self):
        """Ctrl-D, at a prompt; the exit status."""
        self.type("\x04")
        end = time.monotonic() + PATIENCE
        while self.read(end - time.monotonic()):
            pass
        if time.monotonic() >= end:
            raise AssertionError(f"the shell does not end: {self.seen!r}")
        _, status = os.waitpid(self.process_id, 0)
        self.process_id = 0
        return os.waitstatus_to_exitcode(status)

    def close(self):
        if self.process_id:
            os.kill(self.process_id, signal.SIGKILL)
            os.waitpid(self.process_id, 0)
        os.close(self.file)


class Scripts(unittest.TestCase):
    def test_statements_of_the_command_line_stop_at_the_first_failure(self):
        output, errors = run("args", "CREATE TABLE t(a); INSERT INTO t VALUES(1),(2)", "SELECT * FROM t; nonsense",
                             "SELECT 3", status=FAILED)
        self.assertEqual(output, "1\n2\n")
        self.assertIn('syntax error', errors)

    def test_standard_input_goes_on_unless_told(self):
        text = "SELECT 1;\nSELECT * FROM nowhere;\nSELECT\n 2"
        output, errors = run("input", text=text, status=FAILED)
        self.assertEqual(output, "1\n2\n")
        self.assertIn("standard input:2: Error: no such table: nowhere", errors)
        self.assertEqual(run("--bail", "input", text=text, status=FAILED)[0], "1\n")

    def test_errors_as_json(self):
        output, errors = run("--json", "json", "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1);"
                             "SELECT a, null AS b FROM t; INSERT INTO t VALUES(1)", status=FAILED)
        self.assertEqual(json.loads(output), [{"a": 1, "b": None}])
        error = json.loads(errors)["error"]
        self.assertEqual((error["code"], error["extended_code"], error["verdict"], error["may_retry"]),
                         (19, 2067, "not committed", False))

    def test_transactions_span_lines(self):
        run("tx", text="CREATE TABLE t(a);\nBEGIN;\nINSERT INTO t VALUES(1);\nROLLBACK;\nBEGIN;\n"
                       "INSERT INTO t VALUES(2);\nCOMMIT;\nBEGIN;\nINSERT INTO t VALUES(3);\n")
        self.assertEqual(run("tx", "SELECT * FROM t")[0], "2\n")

    def test_commands_about_the_schema(self):
        output, _ = run("schema", "CREATE TABLE b(x); CREATE TABLE a(y); CREATE INDEX i ON a(y)", ".tables", ".schema a",
                        ".indexes", ".databases")
        self.assertEqual(output.splitlines()[:5], ["a", "b", "CREATE TABLE a(y);", "CREATE INDEX i ON a(y);", "i"])
        self.assertIn("schema", output.splitlines()[5:])

    def test_output_read_and_modes(self):
        script = options.directory / "script.sql"
        result = options.directory / "result.md"
        script.write_text(f".output {result}\n.mode markdown\nSELECT 1 AS x;\n.output\n.mode insert t\nSELECT 2 AS y;\n")
        self.assertEqual(run("modes", f".read {script}")[0], 'INSERT INTO "t"("y") VALUES(2);\n')
        self.assertEqual(result.read_text(), "| x |\n|---|\n| 1 |\n")
        self.assertIn("cannot read", run("modes", ".read /nowhere", status=FAILED)[1])
        self.assertIn("cannot read", run("modes", f".read {options.directory}", status=FAILED)[1])
        folder = os.open(options.directory, os.O_RDONLY)
        done = subprocess.run(arguments("modes"), stdin=folder, capture_output=True, timeout=PATIENCE)
        os.close(folder)
        self.assertNotEqual(done.returncode, 0)

    def test_settings(self):
        script = (".headers on\n.separator ;\n.nullvalue nil\nSELECT 1 AS a, NULL AS b;\n.print so be it\n"
                  ".mode table\n.width 5\nSELECT 1 AS a;\n.mode\n.timer on\nSELECT 2 AS a;\n.timer off\n.help mo\n"
                  ".bail on\nnonsense;\nSELECT 3;\n")
        output, errors = run("settings", text=script, status=FAILED)
        self.assertTrue(output.startswith("a;b\n1;nil\nso be it\n"), output)
        self.assertIn("|     1 |", output)
        self.assertRegex(output, r"\ntable\n")
        self.assertRegex(output, r"\n\.mode \[MODE \[TABLE\]\] +How results are written")
        self.assertNotIn("3", output)
        self.assertEqual(len(re.findall(r"-- [\d.]+ m?s\n", errors)), 1, errors)
        for wrong in (".headers perhaps", ".width wide", ".mode nonsense", ".nullvalue", ".unheard"):
            self.assertIn("Error", run("settings", wrong, status=FAILED)[1])

    def test_quit_and_exit(self):
        self.assertEqual(run("leave", text="SELECT 1;\n.quit\nSELECT 2;\n")[0], "1\n")
        run("leave", text=".exit 7\nSELECT 2;\n", status=7)
        run("leave", text="nonsense;\n.exit 7\n", status=FAILED)

    def test_ctrl_c_ends_a_script(self):
        shell = Script("ctrlc")
        self.addCleanup(shell.process.kill)
        self.assertEqual(shell.ask("SELECT 'begun';"), "begun")
        shell.say(SLOW + ";")
        shell.say("SELECT 'not reached';")
        time.sleep(0.3)
        shell.process.send_signal(signal.SIGINT)
        output, errors, status = shell.end()
        self.assertEqual((output, status), ("", INTERRUPTED))
        self.assertIn("Interrupted.", errors)

    def test_the_commit_of_a_lost_transaction_says_so(self):
        script = ("CREATE TABLE IF NOT EXISTS t(a UNIQUE ON CONFLICT ROLLBACK);\nDELETE FROM t;\nINSERT INTO t VALUES(1);\nBEGIN;\n"
                  "INSERT INTO t VALUES(2);\nINSERT INTO t VALUES(1);\nINSERT INTO t VALUES(3);\nCOMMIT;\nSELECT a FROM t;\n")
        output, errors = run("lost", text=script, status=FAILED)
        self.assertEqual(output, "1\n")
        self.assertEqual(errors.count("The transaction is gone: nothing of it was done."), 2, errors)
        _, errors = run("--json", "lost", text=script, status=FAILED)
        for line in errors.splitlines():
            self.assertIsInstance(json.loads(line), dict)

    def test_a_store_or_a_name_that_makes_no_sense(self):
        path = options.directory / "store.yaml"
        for content in ("", "nonsense", "- ID: 1\n"):
            path.write_text(content)
            done = subprocess.run([str(options.shell), "--json", "-c", str(path), "x", "SELECT 1"], capture_output=True,
                                  timeout=PATIENCE)
            self.assertEqual(done.returncode, USAGE)
            self.assertIn(str(path), json.loads(done.stderr)["error"]["message"])
        self.assertIn("1 to 504 bytes", run("x" * 600, "SELECT 1", status=FAILED)[1])

    def test_nobody_there(self):
        done = subprocess.run([str(options.shell), "-c", "127.0.0.1:1", "--timeout", "0.3", "x"], input=b"SELECT 1;\n" * 50,
                              capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertEqual(done.stderr.count(b"no leader"), 1)  # it does not try the other 49

    def test_without_a_database_only_the_cluster_can_be_asked(self):
        self.assertIn("no database is open", run(text="SELECT 1;\n", status=FAILED)[1])
        self.assertEqual(run(text=".open other\nSELECT 1;\n")[0], "1\n")


class Data(unittest.TestCase):
    ODD = ["NULL", "1", "-9223372036854775808", "1.0", "0.1", "1e300", "9.0e999", "''", "'17'", "'0123'", "'x''00'''",
           "'a,\"b\"'", "'line\nline\r\nline'", "' blank '", "'é漢😀'", "x''", "x'00ff2227'", "'it''s; -- no'"]

    def fill(self, database):
        rows = ",".join(f"({i}, {literal}, {literal}, {i % 2}, NULL)" for i, literal in enumerate(self.ODD))
        run(database, text="CREATE TABLE odd(id INTEGER PRIMARY KEY AUTOINCREMENT, v, txt TEXT, \"a \"\"b\"\"\" BOOLEAN, "
                           f"d DATETIME);\nINSERT INTO odd VALUES{rows};\nCREATE VIEW w AS SELECT v FROM odd;\n"
                           "CREATE TRIGGER g AFTER DELETE ON odd BEGIN SELECT 1; SELECT 2; END;\nCREATE INDEX i ON odd(v);\n"
                           "INSERT INTO odd(id, d) VALUES(1000, 17), (1001, ''), (1002, '2024-01-01');\n"
                           "DELETE FROM odd WHERE id = 1000;\n")

    def content(self, database):
        return run(database, 'SELECT id, typeof(v), quote(v), typeof(txt), quote(txt), quote("a ""b"""), quote(d) FROM odd '
                             "ORDER BY id")[0]

    def test_csv_reads_back_what_was_written(self):
        self.fill("csv")
        path = options.directory / "odd.csv"
        run("csv", f".export {path} odd")
        with path.open(newline="", encoding="utf-8") as file:
            self.assertEqual(len(list(csv.reader(file))), len(self.ODD) + 3)
        schema = run("csv", ".schema odd")[0].replace("CREATE VIEW", "-- CREATE VIEW")
        run("csv2", text=schema)
        run("csv2", f".import {path} odd")
        self.assertEqual(self.content("csv2"), self.content("csv"))

    def test_results_and_tables_are_exported_by_the_name_of_the_file(self):
        path = options.directory / "result.json"
        run("export", f""".export {path} "SELECT 'a  b' AS t, 1 + 1 AS n" """)
        self.assertEqual(json.loads(path.read_text()), [{"t": "a  b", "n": 2}])
        run("export", 'CREATE TABLE "Order Lines"(a); INSERT INTO "Order Lines" VALUES(1)')
        run("export", f".export {path} 'order lines'")
        self.assertEqual(json.loads(path.read_text()), [{"a": 1}])
        self.assertIn("must end in", run("export", ".export x.doc t", status=FAILED)[1])
        self.assertIn("Error", run("export", f".export {path} nonsense", status=FAILED)[1])
        self.assertEqual(json.loads(path.read_text()), [{"a": 1}], "what was there is kept")

    def test_what_is_not_a_file_is_imported_too(self):
        nodes = ",".join(cluster.addresses)
        script = f"printf 'a\\n1\\n2\\n' | '{options.shell}' -c {nodes} pipe '.import /dev/stdin t' 'SELECT sum(a) FROM t'"
        done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.stdout, b"3\n", done.stderr)

    def test_import_makes_a_table_and_names_the_line_that_fails(self):
        path = options.directory / "new.csv"
        path.write_text("id,name\n1,Ada\n2,\"Alan, T.\"\n")
        run("import", f".import {path} people")
        self.assertEqual(run("import", "SELECT * FROM people")[0], "1|Ada\n2|Alan, T.\n")
        path.write_text("name,id\nEve,3\nMallory\n")
        self.assertIn("new.csv:3: there are 1 fields for 2 columns", run("import", f".import {path} people", status=FAILED)[1])
        path.write_text("5,five\n5,again\n")
        run("import", "CREATE TABLE one(id PRIMARY KEY, b)")
        _, errors = run("import", f".import {path} one", status=FAILED)
        self.assertIn("new.csv:2: UNIQUE constraint failed", errors)
        self.assertEqual(run("import", "SELECT count(*) FROM one")[0], "0\n")

    def test_an_import_that_fails_inside_a_transaction_leaves_what_it_says(self):
        path = options.directory / "half.csv"
        path.write_text("a\n" + "".join(f"{i}\n" for i in range(BATCH + 3)) + "7\n")
        output, errors = run("import_half", status=FAILED, text=(
            "DROP TABLE IF EXISTS t;\nCREATE TABLE t(a UNIQUE);\nBEGIN;\nINSERT INTO t VALUES('before');\n"
            f".import {path} t\nSELECT count(*) FROM t;\nCOMMIT;\nSELECT count(*) FROM t;\n"))
        self.assertIn(f"half.csv:{BATCH + 5}: UNIQUE constraint failed", errors)
        self.assertRegex(errors, "; 5,?000 records before it are in the table")
        self.assertEqual(output, "5001\n5001\n")

    def test_a_table_as_statements(self):
        path = options.directory / "table.sql"
        run("statements", "CREATE TABLE IF NOT EXISTS t(a, b); DELETE FROM t; INSERT INTO t VALUES(1, 'it''s'), (NULL, x'00ff')")
        run("statements", f".export {path} t")
        with contextlib.closing(sqlite3.connect(":memory:")) as plain:
            plain.execute("CREATE TABLE t(a, b)")
            plain.executescript(path.read_text())
            self.assertEqual(plain.execute("SELECT * FROM t").fetchall(), [(1, "it's"), (None, b"\x00\xff")])
        self.assertIn("there is no table nothing", run("statements", ".dump nothing", status=FAILED)[1])

    def test_import_inside_a_transaction_is_part_of_it(self):
        path = options.directory / "tx.csv"
        path.write_text("a\n1\n2\n")
        output, _ = run("import_tx", text=f"CREATE TABLE t(a);\nBEGIN;\n.import {path} t\nSELECT count(*) FROM t;\nROLLBACK;\n"
                                          "SELECT count(*) FROM t;\n")
        self.assertEqual(output, "2\n0\n")

    def test_a_dump_makes_the_same_database_in_sqlite(self):
        self.fill("dump")
        text = run("dump", ".dump")[0]
        plain = sqlite3.connect(":memory:")
        plain.executescript(text)
        query = 'SELECT id, typeof(v), quote(v), typeof(txt), quote(txt), quote("a ""b"""), quote(d) FROM odd ORDER BY id'
        same = "".join("|".join(str(each) for each in row) + "\n" for row in plain.execute(query))
        # Newer versions of SQLite quote infinity as what reads back.
        self.assertEqual(same, self.content("dump").replace("real|9.0e+999|", "real|Inf|"))
        names = [row[0] for row in plain.execute("SELECT name FROM sqlite_schema ORDER BY name")]
        self.assertEqual(names, ["g", "i", "odd", "sqlite_sequence", "w"])
        self.assertEqual(plain.execute("SELECT seq FROM sqlite_sequence").fetchall(), [(1002,)])
        run("dump2", text=text)
        self.assertEqual(self.content("dump2"), self.content("dump"))
        self.assertNotIn("odd", run("dump", ".dump w")[0].split("CREATE VIEW")[0])

    def test_a_dump_keeps_what_a_full_text_index_belongs_to(self):
        run("fts", "CREATE VIRTUAL TABLE IF NOT EXISTS f USING fts5(body); DELETE FROM f; INSERT INTO f(rowid, body) VALUES(17, 'word')")
        with contextlib.closing(sqlite3.connect(":memory:")) as plain:
            plain.executescript(run("fts", ".dump")[0])
            self.assertEqual(plain.execute("SELECT rowid FROM f WHERE f MATCH 'word'").fetchall(), [(17,)])

    def test_what_a_dump_writes_can_be_read_again(self):
        run("again", "CREATE VIRTUAL TABLE IF NOT EXISTS f USING fts5(a, b, content='')",
            "INSERT INTO f(rowid, a, b) VALUES(7, 'hello World hello', 'there'), (9, 'world', NULL), (11, '', '')",
            "CREATE VIRTUAL TABLE IF NOT EXISTS terms USING fts5vocab(f, 'row')",
            "CREATE TABLE gone(id INTEGER PRIMARY KEY AUTOINCREMENT)", "DROP TABLE gone",
            "CREATE TABLE big(id, v)", "INSERT INTO big VALUES(1, zeroblob(600000)), (2, hex(zeroblob(400000))), (3, zeroblob(40000000))")
        run("again", text="CREATE VIEW v AS SELECT id FROM big -- all of them\n;\n")
        text = run("again", ".dump")[0]
        self.assertNotIn("sqlite_sequence", text)
        run("again2", "--bail", text=text)
        query = ("SELECT group_concat(rowid) FROM f WHERE f MATCH 'b:there OR \"world hello\"'", "SELECT count(*) FROM f",
                 "SELECT * FROM terms", "SELECT id, typeof(v), length(v) FROM big", "SELECT * FROM v")
        self.assertEqual(run("again2", *query)[0], run("again", *query)[0])
        run("porter", "CREATE VIRTUAL TABLE IF NOT EXISTS f USING fts5(a, content='', tokenize=porter)")
        self.assertIn("back it up as a file", run("porter", ".dump", status=FAILED)[1])

    def test_databases_of_every_kind_come_back_equal(self):
        """By .dump, through this shell and through that of SQLite. SEED=7 runs one again."""
        def of_file(name):
            with contextlib.closing(sqlite3.connect(options.directory / name)) as file:
                return databases.content(file)

        for seed in [int(os.environ["SEED"])] if "SEED" in os.environ else range(int(os.environ.get("SEEDS", 10))):
            with self.subTest(seed=seed):
                for name in ("right", "again", "sqlite"):
                    (options.directory / name).unlink(missing_ok=True)
                run(f"kinds{seed}", "--bail", text=databases.script(seed))
                run(f"kinds{seed}", f".backup {options.directory / 'right'}")
                right = of_file("right")
                dump = run(f"kinds{seed}", ".dump")[0]
                run(f"kinds{seed}_again", "--bail", text=dump)
                run(f"kinds{seed}_again", f".backup {options.directory / 'again'}")
                self.assertIsNone(databases.difference(right, of_file("again")))
                if program := shutil.which("sqlite3"):
                    subprocess.run([program, "-bail", options.directory / "sqlite"], input=dump.encode(), check=True)
                    self.assertIsNone(databases.difference(right, of_file("sqlite")))

    def test_nothing_of_a_stranger_moves_the_terminal(self):
        errors = run("stranger", "SELECT '\x1b[2J\x07' AS a, \"\x1b]0;x\x07\"()", status=FAILED)[1]
        self.assertNotIn("\x1b", errors)
        self.assertNotIn("\x07", errors)

    def test_the_words_of_sqlite3_and_other_slips(self):
        self.assertEqual(run("-csv", "words", "SELECT 1 AS a, 2 AS b")[0], "1,2\r\n")
        self.assertEqual(run("-header", "words", "SELECT 1 AS a, 2 AS b")[0], "a|b\n1|2\n")
        self.assertIn("unknown option -cmd", run("-cmd", "x", "words", status=USAGE)[1])
        self.assertIn("is a URL", run("quorlite://127.0.0.1:9001/app", status=USAGE)[1])
        self.assertIn("The command is .status", run("status", status=USAGE)[1])
        self.assertEqual(run("status", text="SELECT 1;")[0], "1\n", "it may be a database all the same")

    def test_why_a_leader_is_waited_for(self):
        port = free_ports(1)[0]
        done = subprocess.run(arguments("--timeout", "2", "waiting", "SELECT 1", nodes=f"127.0.0.1:{port}"),
                              capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertIn("No leader is reached so far", done.stderr.decode().split("\n")[0])
        self.assertIn("refused", done.stderr.decode().split("\n")[0])

    def test_a_backup_is_a_database(self):
        run("backup", "CREATE TABLE t(a); INSERT INTO t SELECT value FROM json_each('[1,2,3]')")
        cluster.until(nobody_lags, PATIENCE, "everybody has it")
        for word in ("", " --node " + cluster.nodes[1].address):
            path = options.directory / "backup.db"
            path.unlink(missing_ok=True)
            run("backup", f".backup {path}{word}")
            with contextlib.closing(sqlite3.connect(path)) as copy:
                found = copy.execute("SELECT sum(a) FROM t").fetchone()
            self.assertEqual(found, (6,))
        self.assertIn("Error", run("", f".backup nothing {path}", status=FAILED)[1])
        self.assertFalse(path.with_suffix(".db.part").exists())
        # What belongs to an older database of that name would be taken for a part of this one.
        for suffix in ("-wal", "-shm", "-journal"):
            pathlib.Path(f"{path}{suffix}").write_text("old")
        run("backup", f".backup {path}")
        self.assertEqual([each.name for each in options.directory.glob("backup.db*")], ["backup.db"])

    def test_only_what_reads_is_exported_and_only_to_a_file(self):
        run("reads", "CREATE TABLE t(a); INSERT INTO t VALUES(1)")
        path = options.directory / "reads.csv"
        self.assertIn("only what reads", run("reads", f".export {path} 'DELETE FROM t'", status=FAILED)[1])
        self.assertEqual(run("reads", "SELECT count(*) FROM t")[0], "1\n")
        self.assertFalse(path.exists())
        path.mkdir()
        for command in (".export {} t", ".backup {}"):
            self.assertIn("not an ordinary file", run("reads", command.format(path), status=FAILED)[1])
        self.assertFalse(path.with_suffix(".csv.part").exists())
        path.rmdir()


class People(unittest.TestCase):
    def setUp(self):
        self.shell = Terminal("people")
        self.addCleanup(self.shell.close)
        self.shell.expect("people> ")

    def test_editing_history_and_completion(self):
        shell = self.shell
        shell.ask("CREATE TABLE IF NOT EXISTS mountains(summit, height);", "people> ")
        shell.ask("SELECT 40 + 3;\x1b[D\x08" + "2", r"42\s")  # left, backspace, 2
        shell.expect("people> ")
        shell.ask("\x1b[A", r"42\s")  # the line before
        shell.expect("people> ")
        shell.ask("sel\t 'a' || 'b';", "ab")
        shell.expect("people> ")
        shell.ask("SELECT count(*) AS n FROM moun\t;", r"│ 0 │")
        shell.expect("people> ")
        shell.ask("SELECT", r"   \.\.\.> ")
        shell.ask("'é' || '!';", "é!")
        shell.expect("people> ")
        self.assertEqual(shell.leave(), 0, shell.seen)

    def test_ctrl_d_that_is_typed_ahead_ends_the_shell(self):
        self.shell.type("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000000)"
                        " SELECT count(*) FROM c;\r")
        time.sleep(0.2)
        self.assertEqual(self.shell.leave(), 0, self.shell.seen)

    def test_ctrl_c_cancels_the_statement_and_not_the_shell(self):
        shell = self.shell
        shell.type(SLOW + ";\r")
        shell.expect("FROM n;")
        time.sleep(0.3)
        shell.type("\x03")
        shell.expect("Interrupted")
        shell.expect("people> ")
        shell.type("SELECT 'half")
        shell.expect("half")
        shell.type("\x03")
        shell.expect("people> ")
        shell.ask("SELECT 'still ' || 'here';", "still here")
        shell.expect("people> ")
        self.assertEqual(shell.leave(), 0, shell.seen)

    def test_ctrl_c_leaves_the_transaction_of_a_read(self):
        shell = self.shell
        shell.ask("CREATE TABLE IF NOT EXISTS kept(a);", "people> ")
        shell.ask("BEGIN;", r"people\*> ")
        shell.ask("INSERT INTO kept VALUES(1);", r"people\*> ")
        shell.type(SLOW + ";\r")
        shell.expect("FROM n;")
        time.sleep(0.3)
        shell.type("\x03")
        shell.expect("Interrupted")
        shell.ask("COMMIT;", "people> ")
        self.assertEqual(run("people", "SELECT count(*) FROM kept")[0], "1\n")

    def import_from_pipe(self, table):
        """Lets the shell import what is written to the file."""
        path = options.directory / f"{table}.fifo"
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        self.addCleanup(path.unlink)
        self.shell.ask(f"DROP TABLE IF EXISTS {table};", "people> ")
        self.shell.type(f".import {path} {table}\r")
        return path.open("w")

    def test_long_work_says_how_far_it_is(self):
        shell = self.shell
        with self.import_from_pipe("far") as rows:
            rows.write("a\n")
            for _ in range(3):  # each as many as are inserted at once, and later than a line is due
                rows.write("1\n" * BATCH)
                rows.flush()
                time.sleep(0.3)
            shell.expect(r"\r\x1b\[Kimport: [\d.]+ \w+, [\d.]+ \w+/s")
        shell.expect(r"\r\x1b\[K-- 15,?000 records")  # the line is gone
        shell.expect("people> ")

    def slow_down(self, node, command, pattern):
        """Holds the node most of the time until the command shows the pattern: it ends without only if it is done within
        one moment of the node's, and is then asked again."""
        shell = self.shell
        either = f"{pattern}|people> "
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            node.signal(signal.SIGSTOP)
            try:
                shell.type(command + "\r")
                while time.monotonic() < end and not re.search(either, shell.seen):
                    time.sleep(0.25)  # longer than a line is due
                    node.signal(signal.SIGCONT)
                    shell.read(0.02)
                    node.signal(signal.SIGSTOP)
            finally:
                node.signal(signal.SIGCONT)
            if shell.expect(either).group() != "people> ":
                return
        raise AssertionError(f"{command} never showed {pattern!r}")

    def test_what_is_written_to_files_says_how_far_it_is(self):
        shell = self.shell
        shell.ask("DROP TABLE IF EXISTS wide;", "people> ")
        shell.ask("CREATE TABLE wide AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)"
                  " SELECT i, hex(zeroblob(40)) AS pad FROM n;", r";\s+people> ")
        path = options.directory / "wide"
        for command, what, unit in ((f".export {path}.csv wide", "export", "rows"), (".dump wide", "dump", "rows"),
                                    (f".backup {path}.db", "backup", r"\w?B")):
            shell.ask(f".output {path}.sql", "people> ")
            line = rf"{what}: [\d.,]+ \w* ?{unit} of [^\r]+ \(\d+ %\), [^\r]+/s, [\d.]+ \w+ left"
            self.slow_down(cluster.leader(), command, line)
            shell.expect("people> ")
        shell.ask(".output", "people> ")
        shell.ask("DROP TABLE wide;", "people> ")

    def test_columns_are_completed(self):
        self.shell.ask("CREATE TABLE IF NOT EXISTS rivers(headwater, mouth);", "people> ")
        self.shell.ask("SELECT count(headw\t) AS n FROM rivers;", "│ 0 │")

    def test_ctrl_c_says_how_far_an_import_came(self):
        shell = self.shell
        # Where the key has cut the reading short, nobody reads what is written last.
        with contextlib.suppress(BrokenPipeError), self.import_from_pipe("endless") as rows:
            rows.write("a\n" + "1\n" * (2 * BATCH + 1))
            rows.flush()
            cluster.until(lambda: run("people", "SELECT count(*) FROM sqlite_schema WHERE name = 'endless'")[0] == "1\n"
                          and int(run("people", "SELECT count(*) FROM endless")[0]) == 2 * BATCH, PATIENCE, "two batches are in")
            shell.type("\x03")
            time.sleep(0.2)
            rows.write("1\n" * BATCH)
        shell.expect(r"Interrupted; 10,?000 records before it are in the table\.")
        shell.expect("people> ")

    def test_the_status_is_drawn_again_and_again_until_ctrl_c(self):
        shell = self.shell
        shell.type(".watch 0.1\r")
        for _ in range(3):
            shell.expect("leader .*")
            shell.expect("follower")
        shell.type("\x03")
        shell.expect("people> ")


class Silence(unittest.TestCase):
    """A node that takes connections and says nothing: whoever asks it gets away by Ctrl-C."""

    def test_ctrl_c_stops_commands_about_the_cluster(self):
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as node:
            shell = Terminal("deaf", nodes=f"127.0.0.1:{node.getsockname()[1]}")
            self.addCleanup(shell.close)
            shell.expect("deaf> ")
            for command in (".status", ".nodes", ".leader", ".assign 1 voter", ".backup copy.db", "SELECT 1;"):
                shell.type(command + "\r")
                time.sleep(0.3)
                shell.type("\x03")
                shell.expect(r"Interrupted\.")
                shell.expect("deaf> ")
            self.assertEqual(shell.leave(), 0, shell.seen)


class Operators(unittest.TestCase):
    def ask(self, *words):
        return json.loads(run("--json", "", *words)[0])

    def test_the_cluster_in_figures(self):
        run("figures", "CREATE TABLE t(a)")
        nodes = status()
        self.assertEqual(len(nodes), 3)
        self.assertEqual([row["state"] for row in nodes].count("leader"), 1)
        for row in nodes:
            self.assertEqual(row["role"], "voter")
            self.assertGreater(row["last"], 0)
            self.assertLessEqual(row["applied"], row["last"])
            self.assertIsNotNone(row["latency"])
        self.assertEqual(len(self.ask(".cluster")), 3)
        self.assertEqual({row["address"] for row in self.ask(".nodes")}, set(cluster.addresses))

    def test_weights_and_descriptions(self):
        node = cluster.nodes[1].address
        run("", f".weight {node} 7")
        self.assertEqual(self.ask(f".describe {node}")[0]["weight"], 7)
        self.assertIn("no member", run("", ".describe 1.2.3.4:5", status=FAILED)[1])

    def test_leadership_and_roles(self):
        leader = self.ask(".leader")[0]["address"]
        other = next(node.address for node in cluster.nodes if node.address != leader)
        self.assertEqual(self.ask(f".transfer {other}")[0]["address"], other)
        self.assertIn("is no role", run("", f".assign {leader} king", status=FAILED)[1])

    def role_of(self, address):
        return {row["address"]: row["role"] for row in self.ask(".nodes")}.get(address)

    def assert_role(self, address, role):
        cluster.until(lambda: self.role_of(address) == role, PATIENCE, f"{address} is {role}")

    def test_a_member_is_added_and_removed(self):
        address = f"127.0.0.1:{free_ports(1)[0]}"  # adding a node does not ask it
        run("", f".add 77 {address}")
        self.assertEqual(self.role_of(address), "spare")
        self.assertIn("Error", run("", f".add 77 {address}", status=FAILED)[1])
        self.assertIn("is no id", run("", f".add seventy {address}", status=FAILED)[1])
        self.assertIn("is no role", run("", f".add 78 {address} king", status=FAILED)[1])
        run("", ".remove 77")
        self.assertIsNone(self.role_of(address))
        self.assertIn("no member", run("", ".remove 77", status=FAILED)[1])
        run("", f".add 78 {address} standby")
        self.assertEqual(self.role_of(address), "standby")
        run("", f".remove {address}")
        self.assertEqual({row["address"] for row in self.ask(".nodes")}, set(cluster.addresses))

    def test_a_node_takes_the_roles_that_it_is_assigned_until_it_is_removed(self):
        address = f"127.0.0.1:{free_ports(1)[0]}"
        node = Node(options.binary, options.directory / "nodes" / "fourth", address, [])
        node.start("--address", address, "--join", cluster.addresses[0])
        try:
            self.assert_role(address, "standby")
            for role in ("voter", "standby"):
                run("", f".assign {address} {role}")
                self.assert_role(address, role)
            run("", f".remove {address}")
            self.assertEqual(node.process.wait(PATIENCE), REMOVED)
            self.assertIsNone(self.role_of(address))
        finally:
            node.close()

    def test_the_load_generator(self):
        nodes = ",".join(cluster.addresses)
        bench = [str(options.shell), "bench"]
        subprocess.run([*bench, "setup", "-c", nodes], check=True, capture_output=True, timeout=PATIENCE)
        done = subprocess.run([*bench, "run", "-c", nodes, "--json", "--workload", "mixed", "--seconds", "0.2", "--warmup", "0",
                               "--connections", "4"], check=True, capture_output=True, timeout=PATIENCE)
        report = json.loads(done.stdout)
        self.assertGreater(report["requests"], 0)
        self.assertEqual((report["wrong_answers"], report["errors"]), (0, {}))
        wrong = subprocess.run([*bench, "run", "-c", nodes, "--workload", "x"], capture_output=True, timeout=PATIENCE)
        self.assertEqual(wrong.returncode, USAGE)
        # What is given goes before what the environment says.
        other = subprocess.run([*bench, "wait", "-c", "127.0.0.1:1", "--deadline", "0.3"], capture_output=True,
                               timeout=PATIENCE, env=dict(os.environ, QUORLITE_CLUSTER=nodes))
        self.assertNotEqual(other.returncode, 0)
        subprocess.run([*bench, "wait"], check=True, capture_output=True, timeout=PATIENCE,
                       env=dict(os.environ, QUORLITE_CLUSTER=nodes))


class Script:
    """A shell that is fed line by line."""

    def __init__(self, *words):
        self.process = subprocess.Popen(arguments(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.say(line)
        return self.process.stdout.readline().decode().rstrip()

    def end(self):
        output, errors = self.process.communicate(timeout=PATIENCE)
        return output.decode(), errors.decode(), self.process.returncode


class Failovers(unittest.TestCase):
    def kill_leader(self):
        node = cluster.leader()
        node.kill()
        self.addCleanup(cluster.until, nobody_lags, PATIENCE, "the node is back")
        self.addCleanup(node.start)
        return node

    def test_a_script_goes_on_at_the_new_leader_and_says_so(self):
        shell = Script("follow")
        self.addCleanup(shell.process.kill)
        self.assertEqual(shell.ask("CREATE TABLE t(a); INSERT INTO t VALUES(1); SELECT 'one';"), "one")
        killed = self.kill_leader()
        self.assertEqual(shell.ask("SELECT count(*) FROM t;"), "1")
        self.assertEqual(shell.ask("INSERT INTO t VALUES(2); SELECT count(*) FROM t;"), "2")
        output, errors, status = shell.end()
        self.assertEqual((output, status), ("", 0))
        self.assertRegex(errors, rf"-- 127\.0\.0\.1:\d+ leads now; it was {killed.address}")

    def test_a_write_that_nobody_can_know_of_is_in_doubt(self):
        shell = Script("doubt")
        self.addCleanup(shell.process.kill)
        self.assertEqual(shell.ask("CREATE TABLE t(a); SELECT 'made';"), "made")
        leader = cluster.leader()
        followers = [node for node in cluster.nodes if node is not leader]
        for node in followers:
            node.signal(signal.SIGSTOP)
            self.addCleanup(node.signal, signal.SIGCONT)
        before = last_index(leader)
        shell.say("INSERT INTO t VALUES(1);")
        cluster.until(lambda: last_index(leader) > before, PATIENCE, "the leader has it in its log")
        leader.kill()
        self.addCleanup(cluster.until, nobody_lags, PATIENCE, "the node is back")
        self.addCleanup(leader.start)
        for node in followers:
            node.signal(signal.SIGCONT)
        output, errors, status = shell.end()
        self.assertEqual((output, status), ("", IN_DOUBT))
        self.assertIn("In doubt: ", errors)
        self.assertIn("look at the data before you try again", errors)

    def test_a_transaction_that_loses_its_leader_is_gone(self):
        shell = Script("gone")
        self.addCleanup(shell.process.kill)
        self.assertEqual(shell.ask("CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES(1); SELECT 'in';"), "in")
        self.kill_leader()
        shell.say("INSERT INTO t VALUES(2);")
        shell.say("INSERT INTO t VALUES(3);")
        shell.say("ROLLBACK;")
        self.assertEqual(shell.ask("SELECT count(*) FROM t;"), "0")
        _, errors, status = shell.end()
        self.assertEqual(status, FAILED)
        self.assertEqual(errors.count("The transaction is gone: nothing of it was done."), 1)


def main():
    global options, cluster
    parser = argparse.ArgumentParser()
    for name in ("--shell", "--binary", "--directory"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    # libedit never frees the names of the functions that it is given.
    suppressions = options.directory / "leaks"
    suppressions.parent.mkdir(parents=True, exist_ok=True)
    suppressions.write_text("leak:wcsdup\n")
    os.environ["LSAN_OPTIONS"] = f"suppressions={suppressions.resolve()}:print_suppressions=0"
    with Cluster(options.directory / "nodes", binary=options.binary) as cluster:
        unittest.main(argv=[sys.argv[0], *options.tests], verbosity=2)


if __name__ == "__main__":
    main()
