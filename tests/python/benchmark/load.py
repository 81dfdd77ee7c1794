"""One side of the comparison: a module of PEP 249, the same statements, its own process.

Usage: load.py MODULE ADDRESS,... DATABASE   prints one JSON object: work done per second, by workload.
"""

import importlib
import json
import resource
import sys
import threading
import time

SECONDS = 4.0
THREADS = 16
ROWS_MANY = 100_000
ROWS_FETCHED = 1_000_000
# A side that is slow inserts fewer rows; what is compared is how many per second.
ROWS_MANY_PROBE = 2_000


def connect(module, addresses, database):
    if module == "quorlite":
        quorlite = importlib.import_module("quorlite")
        # As the other does it: each statement is a transaction, unless one is begun.
        return quorlite.connect(addresses, database, isolation_level=None)
    return importlib.import_module(module).connect(addresses.split(",")[0], database=database)


def per_second(step):
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < SECONDS:
        step(count)
        count += 1
    return count / (time.perf_counter() - begin)


def in_threads(module, addresses, database):
    """Single inserts of threads with a connection each."""
    counts = []

    def work():
        db = connect(module, addresses, database)
        cursor = db.cursor()

        def insert(count):
            cursor.execute("INSERT INTO t(name) VALUES(?)", (f"name number {count}",))
            db.commit()

        counts.append(per_second(insert))
        db.close()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def memory_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def executemany(db, cursor):
    def insert(rows):
        begin = time.perf_counter()
        cursor.execute("BEGIN")
        cursor.executemany("INSERT INTO many(a, b, c) VALUES(?, ?, ?)", rows)
        db.commit()
        return len(rows) / (time.perf_counter() - begin)

    cursor.execute("CREATE TABLE many(id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL)")
    db.commit()
    rows = [(i, f"name number {i}", i / 7) for i in range(ROWS_MANY)]
    speed = insert(rows[:ROWS_MANY_PROBE])
    return insert(rows) if ROWS_MANY / speed < 60 else speed


def fetch(cursor):
    before, begin, count = memory_mb(), time.perf_counter(), 0
    cursor.execute(
        "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " SELECT i, 'name number ' || i, i / 7.0 FROM n",
        (ROWS_FETCHED,),
    )
    while rows := cursor.fetchmany(1000):
        count += len(rows)
    assert count == ROWS_FETCHED, count
    return count / (time.perf_counter() - begin), memory_mb() - before


def main():
    module, addresses, database = sys.argv[1:]
    db = connect(module, addresses, database)
    cursor = db.cursor()
    cursor.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")
    db.commit()
    done = {}

    def insert(count):
        cursor.execute("INSERT INTO t(name) VALUES(?)", (f"name number {count}",))
        db.commit()

    done["inserts"] = per_second(insert)
    done["inserts, 16 threads"] = in_threads(module, addresses, database)
    (rows,) = cursor.execute("SELECT count(*) FROM t").fetchone() or (0,)

    def read(count):
        cursor.execute("SELECT name FROM t WHERE id = ?", (count % rows + 1,))
        assert cursor.fetchone()

    done["point reads"] = per_second(read)
    done["rows by executemany"] = executemany(db, cursor)
    done["rows fetched"], done["memory"] = fetch(cursor)
    print(json.dumps(done))


main()
