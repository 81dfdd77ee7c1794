"""quorlite.aio: statements, rows, transactions, cancellation, pools, loops and forks."""

import asyncio
import dataclasses
import os
import time

import pytest

import quorlite
import quorlite.aio

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def target(db):
    """What reaches the empty database of the fixture `db`."""
    return ",".join(each.address for each in db.cluster.nodes()) + f"/{db.database}"


def with_connection(function):
    """A test as a coroutine of a connection."""

    def test(target):
        async def main():
            async with quorlite.aio.connect(target, timeout=20) as connection:
                await function(connection)

        asyncio.run(asyncio.wait_for(main(), 60))

    test.__name__ = function.__name__
    return test


async def fetchall(connection, sql, parameters=()):
    return await (await connection.execute(sql, parameters)).fetchall()


# ---- Statements and rows ----


@dataclasses.dataclass
class Point:
    x: int
    y: int = 7


@with_connection
async def test_rows_as_objects_of_a_dataclass(connection):
    connection.row_factory = Point
    cursor = await connection.execute("SELECT 2 AS y, 1 AS x UNION ALL SELECT 4, 3")
    assert await cursor.fetchone() == Point(1, 2)
    assert await cursor.fetchall() == [Point(3, 4)]
    assert [row async for row in await connection.execute("SELECT 5 AS x")] == [Point(5)]


@with_connection
async def test_a_statement_is_a_context_of_its_cursor(connection):
    async with connection.execute("SELECT 1 AS a UNION SELECT 2") as cursor:
        assert [row async for row in cursor] == [(1,), (2,)]
    with pytest.raises(quorlite.ProgrammingError):
        await cursor.fetchone()
    async with connection.cursor() as other, other.execute("SELECT 3") as same:
        assert same is other and await same.fetchone() == (3,)
    task = asyncio.create_task(connection.execute("SELECT 4"))
    assert await (await task).fetchone() == (4,)
    with pytest.raises(quorlite.OperationalError):
        async with connection.execute("SELEC"):
            pass



@with_connection
async def test_statements_and_what_they_tell(connection):
    assert (await connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, x)")).description is None
    cursor = await connection.execute("INSERT INTO t(x) VALUES(?), (:b)", ("a", "b"))
    assert (cursor.rowcount, cursor.lastrowid) == (2, 2)
    cursor = await connection.execute("UPDATE t SET x = :x", {"x": b"\0"})
    assert cursor.rowcount == 2
    cursor = await connection.execute("SELECT id, x AS 'the x' FROM t")
    assert [column[0] for column in cursor.description] == ["id", "the x"]
    assert await cursor.fetchall() == [(1, b"\0"), (2, b"\0")]
    cursor = await connection.execute("SELECT 1 AS one WHERE 0")
    assert [column[0] for column in cursor.description] == ["one"]
    assert await cursor.fetchone() is None
    cursor = await connection.execute("INSERT INTO t(x) VALUES(5) RETURNING x")
    assert (cursor.rowcount, await cursor.fetchall(), cursor.rowcount) == (-1, [(5,)], 1)
    for options in ({}, {"timeout": 20}):  # a stream; all at once
        cursor = await connection.execute("UPDATE t SET x = 1 RETURNING x", **options)
        assert ([row async for row in cursor], cursor.rowcount) == ([(1,)] * 3, 3)


@with_connection
async def test_ways_to_fetch(connection):
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?) SELECT x FROM n"
    cursor = await connection.execute(numbers, (10_000,))
    assert await cursor.fetchone() == (1,)
    assert await cursor.fetchmany(2) == [(2,), (3,)]
    assert await cursor.fetchmany() == [(4,)]
    assert [row async for row in cursor] == [(x,) for x in range(5, 10_001)]
    assert await cursor.fetchall() == []
    cursor = await connection.execute(numbers, (3,), timeout=10)
    assert await cursor.fetchall() == [(1,), (2,), (3,)]


@with_connection
async def test_an_answer_in_memory_may_be_read_row_by_row(connection):
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50000) SELECT x FROM n"
    cursor = await connection.execute(numbers, timeout=20)
    assert [row[0] async for row in cursor] == list(range(1, 50_001))
    cursor = await connection.execute(numbers, timeout=20)
    assert await cursor.fetchall() == [(x,) for x in range(1, 50_001)]


@with_connection
async def test_many_rows_need_little_memory(connection):
    async with await connection.execute(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000) "
        "SELECT hex(zeroblob(100000)) FROM n"
    ) as cursor:
        read = 0
        async for (text,) in cursor:
            read += len(text)
    assert read == 2000 * 200_000
    with open("/proc/self/status") as status:
        (peak,) = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
    assert peak < 350_000  # kB, of 400 MB that were read


@with_connection
async def test_rows_left_unread_do_not_stand_in_the_way(connection):
    cursor = await connection.execute(ENDLESS.replace("count(*)", "x"))
    assert await cursor.fetchone() == (1,)
    await cursor.close()
    assert await fetchall(connection, "SELECT 5") == [(5,)]
    with pytest.raises(quorlite.ProgrammingError, match="closed"):
        await cursor.fetchone()


@with_connection
async def test_errors_are_those_of_the_package(connection):
    await connection.execute("CREATE TABLE t(x UNIQUE)")
    with pytest.raises(quorlite.OperationalError, match="no such table"):
        await connection.execute("SELECT * FROM nowhere")
    await connection.execute("INSERT INTO t VALUES(1)")
    with pytest.raises(quorlite.IntegrityError) as raised:
        await connection.execute("INSERT INTO t VALUES(1)")
    assert raised.value.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE"
    with pytest.raises(quorlite.ProgrammingError):
        await connection.execute("SELECT ?", (1, 2))
    with pytest.raises(quorlite.ProgrammingError, match="register_adapter"):
        await connection.execute("SELECT ?", (object(),))


@with_connection
async def test_factories_and_converters(connection):
    connection.row_factory = quorlite.Row
    row = await (await connection.execute("SELECT 1 AS one")).fetchone()
    assert row["one"] == 1
    async for row in await connection.execute("SELECT 2 AS two"):
        assert row["two"] == 2


@with_connection
async def test_executemany_is_all_or_nothing(connection):
    await connection.execute("CREATE TABLE t(x INTEGER PRIMARY KEY)")
    cursor = await connection.executemany("INSERT INTO t VALUES(?)", ((x,) for x in range(3000)))
    assert cursor.rowcount == 3000
    with pytest.raises(quorlite.IntegrityError):
        await connection.executemany("INSERT INTO t VALUES(?)", [(5000,), (7,), (5001,)])
    assert not connection.in_transaction
    async with connection.transaction():
        await connection.execute("INSERT INTO t VALUES(9999)")
        with pytest.raises(quorlite.IntegrityError):
            await connection.executemany("INSERT INTO t VALUES(?)", [(5000,), (7,)])
    assert await fetchall(connection, "SELECT count(*), max(x) FROM t") == [(3001, 9999)]
    assert (await connection.executemany("INSERT INTO t VALUES(?)", [])).rowcount == 0
    returning = "INSERT INTO t VALUES(?), (?) RETURNING x"
    cursor = await connection.executemany(returning, [(10000, 10001), (10002, 10003)])
    assert cursor.rowcount == 4


# ---- Transactions ----


@with_connection
async def test_transactions(connection):
    await connection.execute("CREATE TABLE t(x)")
    async with connection.transaction():
        assert connection.in_transaction
        await connection.execute("INSERT INTO t VALUES(1)")
    assert not connection.in_transaction
    with pytest.raises(KeyError):
        async with connection.transaction():
            await connection.execute("INSERT INTO t VALUES(2)")
            raise KeyError
    assert not connection.in_transaction
    async with connection.transaction(read_only=True):
        assert await fetchall(connection, "SELECT x FROM t") == [(1,)]
        with pytest.raises(quorlite.ProgrammingError, match="SAVEPOINT"):
            async with connection.transaction():
                pass


@with_connection
async def test_without_autocommit_transactions_begin_by_themselves(connection):
    await connection.execute("CREATE TABLE t(x)")
    connection.autocommit = False
    await connection.execute("INSERT INTO t VALUES(1)")
    assert connection.in_transaction
    await connection.rollback()
    await connection.execute("INSERT INTO t VALUES(2)")
    await connection.commit()
    assert await fetchall(connection, "SELECT x FROM t") == [(2,)]
    await connection.rollback()
    await connection.commit()


def test_a_pool_may_be_made_before_its_loop(target):
    pool = quorlite.aio.create_pool(target, size=1)

    async def use():
        async with pool.connection() as db:
            return (await (await db.execute("SELECT 1")).fetchone())[0]

    async def main():
        async with pool:
            return await asyncio.gather(*(use() for _ in range(4)))  # three of them wait

    assert asyncio.run(main()) == [1] * 4


def test_run_does_it_again(target):
    async def main():
        async with quorlite.aio.create_pool(target, size=2) as pool:
            async with pool.connection() as db:
                await db.execute("CREATE TABLE t(x)")
            attempts = []

            async def work(db):
                attempts.append(1)
                await db.execute("INSERT INTO t VALUES(?)", (len(attempts),))
                if len(attempts) < 3:
                    error = quorlite.OperationalError("made for this test")
                    error.may_retry = True
                    raise error
                return "done"

            assert await quorlite.aio.run(pool, work) == "done"
            async with pool.connection() as db:
                assert await fetchall(db, "SELECT x FROM t") == [(3,)]

    asyncio.run(main())


# ---- Cancellation ----


@with_connection
async def test_cancelling_a_task_interrupts_its_statement(connection):
    task = asyncio.create_task(connection.execute(ENDLESS))
    await asyncio.sleep(0.2)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The connection is as good as before: the node stopped the statement.
    assert await fetchall(connection, "SELECT 5") == [(5,)]
    assert not connection._closed
    assert time.monotonic() - begun < 10


@with_connection
async def test_a_cancelled_transaction_is_rolled_back(connection):
    await connection.execute("CREATE TABLE t(x)")

    async def work():
        async with connection.transaction():
            await connection.execute("INSERT INTO t VALUES(1)")
            await connection.execute(ENDLESS)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not connection.in_transaction
    assert await fetchall(connection, "SELECT * FROM t") == []


@with_connection
async def test_timeouts(connection):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(connection.execute(ENDLESS), 0.2)
    with pytest.raises(quorlite.OperationalError) as raised:
        await connection.execute(ENDLESS, timeout=0.2)
    assert raised.value.kind == "deadline"
    assert await fetchall(connection, "SELECT 5") == [(5,)]


# ---- Many at once ----


def test_tasks_may_share_a_connection(target):
    async def main():
        async with quorlite.aio.connect(target) as connection:
            rows = await asyncio.gather(
                *(fetchall(connection, "SELECT ?", (x,)) for x in range(200))
            )
            assert rows == [[(x,)] for x in range(200)]

    asyncio.run(main())


def test_a_pool_is_bounded(target):
    async def main():
        async with quorlite.aio.create_pool(target, size=2, acquire_timeout=0.1) as pool:
            first, second = await pool.acquire(), await pool.acquire()
            assert pool.usage().in_use == 2
            with pytest.raises(quorlite.OperationalError, match="2 connections") as raised:
                await pool.acquire()
            assert raised.value.kind == "busy"
            await pool.release(first)
            assert await pool.acquire() is first
            await first.execute("BEGIN")
            await pool.release(first)
            assert not first.in_transaction
            await second.close()
            await pool.release(second)
            assert pool.usage().idle == 1
        with pytest.raises(quorlite.ProgrammingError, match="closed"):
            await pool.acquire()

    asyncio.run(main())


def test_many_tasks_on_a_pool(target):
    async def main():
        async with quorlite.aio.create_pool(target, size=4) as pool:
            async with pool.connection() as db:
                await db.execute("CREATE TABLE t(x)")

            async def insert(x):
                async with pool.transaction() as db:
                    await db.execute("INSERT INTO t VALUES(?)", (x,))

            await asyncio.gather(*(insert(x) for x in range(100)))
            async with pool.connection() as db:
                assert await fetchall(db, "SELECT count(*), sum(x) FROM t") == [(100, 4950)]

    asyncio.run(main())


def test_there_is_one_thread_for_all(target):
    def threads():
        return len(os.listdir("/proc/self/task"))

    async def main():
        async with quorlite.aio.connect(target):
            before = threads()
            async with quorlite.aio.create_pool(target, size=8) as pool:
                held = [await pool.acquire() for _ in range(8)]
                await asyncio.gather(*(each.execute("SELECT 1") for each in held))
                # A name that has to be resolved takes Asio a thread, once.
                assert threads() <= before + 1
                for each in held:
                    await pool.release(each)

    asyncio.run(main())


# ---- Loops, processes, ends ----


def test_one_loop_after_the_other(target):
    async def main():
        async with quorlite.aio.connect(target) as connection:
            assert await fetchall(connection, "SELECT 1") == [(1,)]

    for _ in range(3):
        asyncio.run(main())


def test_a_connection_is_of_one_loop(target):
    async def connected():
        return await quorlite.aio.connect(target)

    async def used(connection):
        with pytest.raises(quorlite.ProgrammingError, match="another event loop"):
            await asyncio.wait_for(connection.execute("SELECT 1"), 20)

    asyncio.run(used(asyncio.run(connected())))


def test_a_child_of_a_fork_connects_for_itself(target):
    async def main():
        async with quorlite.aio.connect(target) as connection:
            child = os.fork()
            if child == 0:
                try:
                    await connection.execute("SELECT 1")
                except quorlite.ProgrammingError as error:
                    os._exit(0 if "fork" in str(error) else 1)
                except BaseException:
                    os._exit(2)
                os._exit(3)
            assert os.waitpid(child, 0)[1] == 0
            assert await fetchall(connection, "SELECT 1") == [(1,)]

    asyncio.run(main())


def test_a_forked_child_uses_a_thread_of_its_own(target):
    async def select():
        async with quorlite.aio.connect(target) as connection:
            return await fetchall(connection, "SELECT 1")

    assert asyncio.run(select()) == [(1,)]
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if asyncio.run(select()) == [(1,)] else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


@with_connection
async def test_what_is_closed(connection):
    await connection.close()
    await connection.close()
    with pytest.raises(quorlite.ProgrammingError, match="closed"):
        await connection.execute("SELECT 1")


def test_nobody_there():
    async def main():
        with pytest.raises(quorlite.OperationalError) as raised:
            await quorlite.aio.connect("127.0.0.1:1/test", timeout=0.5)
        assert raised.value.verdict == "not_committed"

    asyncio.run(main())
