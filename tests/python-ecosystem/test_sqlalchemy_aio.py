"""The dialect under SQLAlchemy's asyncio extension: engines, streams, cancellation, run()."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from quorlite.sqlalchemy import aio

NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {}) SELECT x FROM n"
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
INSERT = sa.text("INSERT INTO t VALUES(:x)")


def with_engine(function):
    """A test as a coroutine of an engine, in whose database is an empty table t."""

    def test(target):
        async def main():
            engine = create_async_engine(target)
            try:
                async with engine.begin() as connection:
                    await connection.execute(sa.text("CREATE TABLE t(x)"))
                await function(engine)
            finally:
                await engine.dispose()

        asyncio.run(asyncio.wait_for(main(), 60))

    test.__name__ = function.__name__
    return test


async def rows_of(engine):
    async with engine.connect() as connection:
        return [x for (x,) in await connection.execute(sa.text("SELECT x FROM t ORDER BY x"))]


@pytest.mark.parametrize("name", ["quorlite", "quorlite+aio"])
def test_both_names_are_the_asynchronous_dialect(target, name):
    async def main():
        engine = create_async_engine(sa.make_url(target).set(drivername=name))
        assert isinstance(engine.dialect, aio.QuorliteDialect_aio)
        async with engine.connect() as connection:
            assert await connection.scalar(sa.text("SELECT 1")) == 1
        await engine.dispose()

    asyncio.run(main())


@with_engine
async def test_streams(engine):
    async with engine.connect() as connection:
        async with connection.stream(sa.text(NUMBERS.format(20_000))) as result:
            assert [row.x async for row in result] == list(range(1, 20_001))
        async with connection.stream(sa.text(NUMBERS.format(10**12))) as result:
            assert (await result.fetchmany(3)) == [(1,), (2,), (3,)]
        assert await connection.scalar(sa.text("SELECT 5")) == 5


@with_engine
async def test_cancellation_leaves_the_engine_usable(engine):
    async def wait():
        async with engine.begin() as connection:
            await connection.execute(INSERT, {"x": 1})
            await connection.execute(sa.text(ENDLESS))

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(wait(), 0.5)
    assert await rows_of(engine) == []
    await aio.run(engine, lambda connection: connection.execute(INSERT, {"x": 2}))
    assert await rows_of(engine) == [2]


@with_engine
async def test_run_does_a_refused_transaction_again(engine):
    attempts = []

    async def add(connection):
        count = await connection.scalar(sa.text("SELECT count(*) FROM t"))
        attempts.append(count)
        if len(attempts) == 1:
            async with engine.begin() as other:
                await other.execute(INSERT, {"x": 1})
        await connection.execute(INSERT, {"x": 10 + count})
        return count

    assert await aio.run(engine, add) == 1
    assert attempts == [0, 1]
    assert await rows_of(engine) == [1, 11]


@with_engine
async def test_run_takes_sessions_and_lets_other_errors_through(engine):
    maker = async_sessionmaker(engine)
    await aio.run(maker, lambda session: session.execute(INSERT, {"x": 1}))

    async def fail(session):
        await session.execute(INSERT, {"x": 2})
        raise KeyError("nothing to do with the database")

    with pytest.raises(KeyError):
        await aio.run(maker, fail)
    assert await rows_of(engine) == [1]
