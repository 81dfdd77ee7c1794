"""The leader is killed every three seconds under threads, or tasks, that count, transfer and read.

Afterwards: no acknowledged write is lost, none is there twice, whatever was reported as not committed
is not there, and nothing that is safe to retry has ever failed.

$QUORLITE_FAILOVER_SECONDS says for how long, $QUORLITE_FAILOVER_CLIENTS under how many threads or tasks.
"""

import asyncio
import collections
import os
import threading
import time

import cluster as processes  # of tests/live

import quorlite
import quorlite.aio

SECONDS = float(os.environ.get("QUORLITE_FAILOVER_SECONDS", "10"))
CLIENTS = int(os.environ.get("QUORLITE_FAILOVER_CLIENTS", "8"))
ACCOUNTS = 32
TOTAL = ACCOUNTS * 1000
PAUSE_S = 0.02


class Ledger:
    """What the clients were told, to be compared with what is there."""

    def __init__(self):
        self.lock = threading.Lock()
        self.writes = {}
        self.counted = collections.Counter()
        self.doubtful = collections.Counter()
        self.forbidden = []

    def wrote(self, number, verdict):
        with self.lock:
            self.writes[number] = verdict

    def added(self, client, verdict):
        with self.lock:
            self.counted[client] += verdict == "committed"
            self.doubtful[client] += verdict == "in_doubt"

    def forbid(self, error):
        with self.lock:
            self.forbidden.append(repr(error))

    def check(self, db):
        assert self.forbidden == []
        there = [row[0] for row in db.execute("SELECT id FROM writes")]
        assert len(there) == len(set(there)), "a write is there twice"
        there = set(there)
        told = {verdict: {n for n, v in self.writes.items() if v == verdict}
                for verdict in ("committed", "not_committed", "in_doubt")}
        assert told["committed"] - there == set(), "acknowledged writes are lost"
        assert told["not_committed"] & there == set(), "writes are there that were reported as not"
        assert there - set(self.writes) == set()
        for client, n in db.execute("SELECT id, n FROM counters"):
            least = self.counted[client]
            assert least <= n <= least + self.doubtful[client]
        assert db.execute("SELECT sum(amount) FROM accounts").fetchone() == (TOTAL,)
        assert len(told["committed"]) > 50
        print({verdict: len(numbers) for verdict, numbers in told.items()})


def create_tables(db):
    with db:
        db.execute("CREATE TABLE writes(id INTEGER)")
        db.execute("CREATE TABLE counters(id INTEGER PRIMARY KEY, n INTEGER)")
        db.execute("CREATE TABLE accounts(id INTEGER PRIMARY KEY, amount INTEGER)")
        db.execute("CREATE TABLE transfers(id INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO accounts VALUES(?, 1000)", [(i,) for i in range(ACCOUNTS)])


def verdict_of(call):
    try:
        call()
        return "committed"
    except quorlite.Error as error:
        assert isinstance(error, quorlite.InDoubtError) == (error.verdict == "in_doubt")
        return error.verdict


def transfer(tx, number):
    """Can be done again, because it looks first whether it was done."""
    if tx.execute("INSERT OR IGNORE INTO transfers VALUES(?)", (number,)).rowcount == 0:
        return
    move = "UPDATE accounts SET amount = amount + ? WHERE id = ?"
    tx.execute(move, (-1, number % ACCOUNTS))
    tx.execute(move, (1, (number + 1) % ACCOUNTS))


def work(db, client, over, ledger):
    try:
        db.execute("INSERT OR IGNORE INTO counters VALUES(?, 0)", (client,), idempotent=True)
        number = client * 1_000_000
        while not over.is_set():
            number += 1
            ledger.wrote(number, verdict_of(
                lambda n=number: db.execute("INSERT INTO writes VALUES(?)", (n,))))
            ledger.added(client, verdict_of(
                lambda: db.execute("UPDATE counters SET n = n + 1 WHERE id = ?", (client,))))
            quorlite.run(db, lambda tx, n=number: transfer(tx, n), idempotent=True)
            if db.execute("SELECT sum(amount) FROM accounts").fetchone() != (TOTAL,):
                ledger.forbid("money appeared or vanished")
            time.sleep(PAUSE_S)
    except BaseException as error:
        ledger.forbid(error)


def kill_leaders(nodes, seconds):
    until = time.monotonic() + seconds
    kills = 0
    while time.monotonic() < until:
        time.sleep(2)
        leader = nodes.leader()
        leader.kill()
        kills += 1
        time.sleep(1)
        leader.start()
    return kills


def test_threads(run_folder):
    with processes.Cluster(run_folder / "failover") as nodes:
        cluster = quorlite.Cluster(",".join(nodes.addresses))
        db = cluster.connect("failover", isolation_level=None)
        create_tables(db)
        ledger, over = Ledger(), threading.Event()
        threads = []
        for client in range(CLIENTS):
            own = cluster.connect("failover", isolation_level=None)
            threads.append(threading.Thread(target=work, args=(own, client, over, ledger)))
            threads[-1].start()
        try:
            assert kill_leaders(nodes, SECONDS) > 1
        finally:
            over.set()
            for thread in threads:
                thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        ledger.check(db)


# ---- asyncio ----


async def verdict_of_task(statement):
    try:
        await statement
        return "committed"
    except quorlite.Error as error:
        assert isinstance(error, quorlite.InDoubtError) == (error.verdict == "in_doubt")
        return error.verdict


async def transfer_in_task(tx, number):
    """As `transfer`."""
    if (await tx.execute("INSERT OR IGNORE INTO transfers VALUES(?)", (number,))).rowcount == 0:
        return
    move = "UPDATE accounts SET amount = amount + ? WHERE id = ?"
    await tx.execute(move, (-1, number % ACCOUNTS))
    await tx.execute(move, (1, (number + 1) % ACCOUNTS))


async def work_in_task(pool, client, over, ledger):
    try:
        async with pool.connection() as db:
            await db.execute("INSERT OR IGNORE INTO counters VALUES(?, 0)", (client,), idempotent=True)
        number = client * 1_000_000
        while not over.is_set():
            number += 1
            async with pool.connection() as db:
                ledger.wrote(number, await verdict_of_task(
                    db.execute("INSERT INTO writes VALUES(?)", (number,))))
                ledger.added(client, await verdict_of_task(
                    db.execute("UPDATE counters SET n = n + 1 WHERE id = ?", (client,))))
            await quorlite.aio.run(
                pool, lambda tx, n=number: transfer_in_task(tx, n), idempotent=True)
            async with pool.connection() as db:
                cursor = await db.execute("SELECT sum(amount) FROM accounts", idempotent=True)
                if await cursor.fetchone() != (TOTAL,):
                    ledger.forbid("money appeared or vanished")
            await asyncio.sleep(PAUSE_S)
    except BaseException as error:
        ledger.forbid(error)


async def run_tasks(nodes, ledger):
    over = threading.Event()
    target = ",".join(nodes.addresses) + "/failover"
    async with quorlite.aio.create_pool(target, size=CLIENTS) as pool:
        tasks = [asyncio.ensure_future(work_in_task(pool, client, over, ledger))
                 for client in range(CLIENTS)]
        try:
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, kill_leaders, nodes, SECONDS) > 1
        finally:
            over.set()
            _, late = await asyncio.wait(tasks, timeout=60)
        assert not late


def test_tasks(run_folder):
    with processes.Cluster(run_folder / "failover") as nodes:
        db = quorlite.Cluster(",".join(nodes.addresses)).connect("failover", isolation_level=None)
        create_tables(db)
        ledger = Ledger()
        asyncio.run(run_tasks(nodes, ledger))
        ledger.check(db)
