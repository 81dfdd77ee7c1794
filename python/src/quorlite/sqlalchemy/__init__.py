"""The dialect for SQLAlchemy 2: SQLAlchemy's own one for SQLite, over this package.

    from sqlalchemy import create_engine

    engine = create_engine("quorlite://node1,node2,node3:9001/app")

Nodes with different ports: ``quorlite://node1:9001/app?host=node2:9002&host=node3:9003``, or
`url()`, which takes what `quorlite.connect()` takes. ``?store=cluster.yaml`` names a node store;
``timeout``, ``connect_timeout`` and ``busy_timeout`` are those of `quorlite.Cluster`.

Isolation levels: ``SERIALIZABLE`` (a transaction is a transaction: what it reads is one state of
the database; it takes the write lock with its first write, which fails as retriable if somebody
else has written since it began to read), ``IMMEDIATE`` (it takes the write lock when it begins, and
so never fails for that reason), ``AUTOCOMMIT``.

`run()` does a transaction again as a whole where that is safe.
"""

from quorlite.sqlalchemy._dialect import QuorliteDialect, url
from quorlite.sqlalchemy._run import is_retriable, run

__all__ = ["QuorliteDialect", "is_retriable", "run", "url"]
