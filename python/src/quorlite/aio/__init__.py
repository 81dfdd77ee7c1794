"""The same database from asyncio, without a thread per call.

    import quorlite.aio

    async with quorlite.aio.connect("node1:9001,node2:9001,node3:9001/app") as db:
        async with db.transaction():
            await db.execute("INSERT INTO people(name, age) VALUES(?, ?)", ("Ada", 36))
        async for name, age in await db.execute("SELECT name, age FROM people"):
            print(name, age)

One thread of the process runs the driver for all connections of all event loops. Unless a
transaction is begun, each statement is one by itself. A task that is cancelled interrupts its
statement on the node.
"""

from quorlite.aio._connection import Connection, Cursor, connect
from quorlite.aio._pool import Pool, create_pool, run

__all__ = ["Connection", "Cursor", "Pool", "connect", "create_pool", "run"]
