"""Threads, pools, forks and signals."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from test_hostile import Server, Spoiler, silent

import quorlite

ENDLESS = "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def together(count, function):
    """Calls function(number) in so many threads; raises what the first that failed raised."""
    failures = []

    def guarded(number):
        try:
            function(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def test_threads_share_a_connection(db):
    db.isolation_level = None
    db.execute("CREATE TABLE t(x)")

    def work(number):
        for i in range(50):
            db.execute("INSERT INTO t VALUES(?)", (number * 1000 + i,))
            for (x,) in db.execute("SELECT x FROM t ORDER BY x LIMIT 20"):
                assert x >= 0
            db.execute("SELECT x FROM t").fetchone()

    together(8, work)
    assert db.execute("SELECT count(*), count(DISTINCT x) FROM t").fetchone() == (400, 400)


def test_threads_share_a_cursor_without_harm(db):
    cursor = db.execute("WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n"
                        " WHERE i < 19999) SELECT i FROM n")
    seen = []

    def work(number):
        for i in range(1000):
            seen.append(cursor.fetchone()[0])
            if i % 100 == number:
                seen.extend(row[0] for row in cursor.fetchmany(10))

    together(4, work)
    seen += [row[0] for row in cursor.fetchall()]
    assert sorted(seen) == list(range(20000))


def test_threads_read_one_cursor_to_its_end(db):
    """While others convert, which lets threads change in the middle of rows."""
    db.text_factory = lambda raw: str(raw, "utf-8")
    for _ in range(5):
        cursor = db.execute("WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n"
                            " WHERE i < 4999) SELECT CAST(i AS TEXT) FROM n")
        seen = []

        def work(number):
            while (row := cursor.fetchone()) is not None:
                seen.append(int(row[0]))
                if number == 0 and len(seen) % 7 == 0:
                    seen.extend(int(row[0]) for row in cursor.fetchmany(3))

        together(4, work)
        seen += [int(row[0]) for row in cursor.fetchall()]
        assert sorted(seen) == list(range(5000))


def test_others_run_while_a_call_waits(db, other):
    timer = threading.Timer(1.5, db.interrupt)
    timer.start()
    turns = 0
    waiting = threading.Thread(target=lambda: pytest.raises(quorlite.Error, db.execute, ENDLESS))
    waiting.start()
    while waiting.is_alive():
        assert other.execute("SELECT 1").fetchone() == (1,)
        turns += 1
    timer.join()
    assert turns > 3


def test_pool(db):
    db.execute("CREATE TABLE t(x)")
    pool = db.cluster.pool(db.database, size=3, acquire_timeout=20)

    def work(number):
        for i in range(20):
            with pool.connection() as own:
                own.execute("INSERT INTO t VALUES(?)", (number * 100 + i,))
            assert pool.usage().in_use <= 3

    together(8, work)
    assert pool.usage().in_use == 0
    assert 1 <= pool.usage().idle <= 3
    assert db.execute("SELECT count(DISTINCT x) FROM t").fetchone() == (160,)


def test_a_pool_rolls_back_what_failed_or_was_left_open(db):
    db.execute("CREATE TABLE t(x)")
    pool = db.cluster.pool(db.database, size=1)
    with pytest.raises(ZeroDivisionError), pool.connection() as own:
        own.execute("INSERT INTO t VALUES(1)")
        raise ZeroDivisionError
    own = pool.acquire()
    own.execute("INSERT INTO t VALUES(2)")
    own.close()
    with pytest.raises(quorlite.ProgrammingError):
        own.execute("SELECT 1")
    with pool.connection() as own:
        assert not own.in_transaction
        assert own.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_pool_that_is_empty_says_so(db):
    pool = db.cluster.pool(db.database, size=1, acquire_timeout=0.3)
    with pool.connection():
        with pytest.raises(quorlite.OperationalError) as caught:
            pool.acquire()
        assert caught.value.kind == "busy"
    with pool.connection() as own:
        assert own.execute("SELECT 1").fetchone() == (1,)
    assert pool.usage().idle > 0
    pool.close()
    assert pool.usage().idle == 0
    with pytest.raises(quorlite.ProgrammingError):
        pool.acquire()
    with pytest.raises(quorlite.ProgrammingError):
        db.cluster.pool(db.database, size=0)


def test_run_takes_a_pool(db):
    db.execute("CREATE TABLE t(n)")
    with db:
        db.execute("INSERT INTO t VALUES(0)")
    pool = db.cluster.pool(db.database, size=4)

    def add(tx):
        (n,) = tx.execute("SELECT n FROM t").fetchone()
        tx.execute("UPDATE t SET n = ?", (n + 1,))

    together(8, lambda number: [quorlite.run(pool, add) for _ in range(10)])
    assert db.execute("SELECT n FROM t").fetchone() == (80,)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_is_detected(db, quorlite_cluster):
    db.execute("CREATE TABLE t(x)")
    db.execute("INSERT INTO t VALUES(1)")
    cursor = db.execute("SELECT x FROM t")
    pool = db.cluster.pool(db.database)
    node = quorlite_cluster.nodes[0]
    calls = [lambda: db.execute("SELECT 1"), cursor.fetchone, db.commit, db.close, pool.acquire,
             lambda: db.cluster.connect("x"), db.cluster.nodes, node.status]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for number, call in enumerate(calls):
                try:
                    call()
                    os.write(write, b"call %d went through; " % number)
                except quorlite.ProgrammingError as error:
                    if "fork" not in str(error):
                        os.write(write, str(error).encode())
            del cursor, pool, node, calls
            fresh = quorlite.connect(",".join(quorlite_cluster.addresses), db.database)
            if fresh.execute("SELECT count(*) FROM t").fetchone() != (0,):
                os.write(write, b"the child sees other data; ")
            fresh.close()
            os.write(write, b"done")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        assert told.read() == "done"
    assert os.waitpid(child, 0)[1] == 0
    assert cursor.fetchone() == (1,)
    db.commit()
    assert db.execute("SELECT count(*) FROM t").fetchone() == (1,)


@pytest.mark.parametrize("what", ["execute", "fetch"])
def test_ctrl_c_stops_a_wait(quorlite_cluster, what):
    script = textwrap.dedent("""
        import sys, quorlite
        db = quorlite.connect(sys.argv[1], "interrupted")
        endless = "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n) SELECT "
        print("ready", flush=True)
        try:
            if sys.argv[2] == "execute":
                db.execute(endless + "max(i) FROM n", timeout=60)
            else:
                db.execute(endless + "i FROM n WHERE i < 1 OR i > 1000000000", timeout=60).fetchall()
        except KeyboardInterrupt:
            print(db.execute("SELECT 'alive'").fetchone()[0], flush=True)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script, ",".join(quorlite_cluster.addresses), what],
        stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0] == "alive\n"
        assert time.monotonic() - begin < 20
    finally:
        process.kill()
        process.wait()


ADMINISTRATION = ["nodes()", "leader()", "status()", "add('127.0.0.1:1', 7)", "assign(1, 'spare')", "remove(7)",
                  "transfer()", "backup('copy.db', 'db')"]


def stop_each(addresses, calls, folder):
    """Each of the calls waits for ever; Ctrl-C ends it."""
    script = textwrap.dedent("""
        import sys, quorlite
        cluster = quorlite.Cluster(sys.argv[1], timeout=100, connect_timeout=100)
        for call in [%s]:
            print("ready", flush=True)
            try:
                call()
            except KeyboardInterrupt:
                print("stopped", flush=True)
    """) % ", ".join(f"lambda: cluster.{call}" for call in calls)
    command = [sys.executable, "-c", script, ",".join(addresses)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            for call in calls:
                assert process.stdout.readline() == "ready\n", call
                time.sleep(0.4)
                begin = time.monotonic()
                process.send_signal(signal.SIGINT)
                assert process.stdout.readline() == "stopped\n", call
                assert time.monotonic() - begin < 10
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_ctrl_c_stops_administration(tmp_path):
    with Server(silent) as server:
        stop_each([server.address], ADMINISTRATION, tmp_path)


def test_ctrl_c_stops_a_question_that_was_sent(quorlite_cluster, tmp_path):
    node = quorlite_cluster.nodes[0].status().leader_address

    def only_says_that_it_leads(client):
        host, port = node.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as there:
            threading.Thread(target=Spoiler.forward, args=(client, there), daemon=True).start()
            mine = "127.0.0.1:%d" % client.getsockname()[1]
            client.sendall(there.recv(65536).replace(node.encode(), mine.encode()))
            silent(there)

    with Server(only_says_that_it_leads) as server:
        stop_each([server.address], ["nodes()", "status()", "transfer(7)"], tmp_path)


def test_ctrl_c_stops_rows_that_never_end(quorlite_cluster):
    script = textwrap.dedent("""
        import sys, quorlite
        db = quorlite.connect(sys.argv[1], "interrupted")
        query = "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n) SELECT NULL FROM n"
        cursor = db.execute(query, timeout=60)
        print("ready", flush=True)
        try:
            cursor.fetch_arrow()
        except KeyboardInterrupt:
            print(cursor.fetchall(), db.execute("SELECT 'alive'").fetchone()[0], flush=True)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script, ",".join(quorlite_cluster.addresses)],
        stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[0] == "[] alive\n"
    finally:
        process.kill()
        process.wait()


def test_a_signal_handler_that_uses_the_connection(db):
    caught = []

    def handler(number, frame):
        try:
            db.execute("SELECT 1")
        except quorlite.ProgrammingError as error:
            caught.append(str(error))
        db.interrupt()

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(quorlite.OperationalError):
            db.execute(ENDLESS)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(caught) == 1 and "signal handler" in caught[0]
