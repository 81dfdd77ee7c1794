"""Many statements at once with asyncio, under one deadline, and rows as a stream.

    python parallel.py 127.0.0.1:9001/example
"""

import asyncio
import sys

import quorlite.aio


async def insert(pool: quorlite.aio.Pool, n: int) -> None:
    async with pool.connection() as db:
        await db.execute("INSERT INTO numbers VALUES(?)", (n,))


async def run(target: str) -> None:
    async with quorlite.aio.create_pool(target, size=5) as pool:
        async with pool.connection() as db:
            await db.execute("CREATE TABLE IF NOT EXISTS numbers(n INTEGER)")
            await db.execute("DELETE FROM numbers")
        # Each is a transaction of its own; together they share the waits for the disks.
        await asyncio.gather(*(insert(pool, n) for n in range(1, 6)))
        async with pool.connection() as db:
            total = 0
            async for (n,) in await db.execute("SELECT n FROM numbers WHERE n > ?", (2,)):
                total += n
            print("sum", total)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: parallel.py HOST:PORT,.../DATABASE")
    asyncio.run(asyncio.wait_for(run(sys.argv[1]), timeout=30))
