"""Columnar fetches: types, NULLs, batches, what does not fit; against the row-wise fetch."""

import asyncio
import math
import random
import subprocess
import sys

import numpy
import pyarrow
import pytest

import quorlite
import quorlite.aio

NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?) "


def values_of(sql, *rows):
    """A query of literal rows of one column x, in order."""
    return "SELECT x FROM (" + " UNION ALL ".join(
        f"SELECT {i} AS i, {row} AS x" for i, row in enumerate(rows)
    ) + ") ORDER BY i" + sql


# ---- Types ----


@pytest.mark.parametrize(
    ("rows", "kind", "values"),
    [(["1", "-9223372036854775808"], pyarrow.int64(), [1, -(2**63)]),
     (["1.5", "NULL"], pyarrow.float64(), [1.5, None]),
     (["1", "NULL", "2.5", "3"], pyarrow.float64(), [1.0, None, 2.5, 3.0]),
     (["'a'", "''", "NULL", "'é😀'"], pyarrow.large_string(), ["a", "", None, "é😀"]),
     (["x'00ff'", "NULL", "x''"], pyarrow.large_binary(), [b"\0\xff", None, b""]),
     (["NULL", "NULL"], pyarrow.null(), [None, None]),
     (["NULL", "NULL", "7"], pyarrow.int64(), [None, None, 7])],
)  # fmt: skip
def test_types_follow_the_values(db, rows, kind, values):
    table = db.execute(values_of("", *rows)).fetch_arrow()
    table.validate(full=True)
    assert table.schema.field("x").type == kind
    assert table["x"].to_pylist() == values


@pytest.mark.parametrize(
    ("rows", "types", "problem"),
    [(["1", "'two'"], {}, 'column "x", row 2: a value of type string in a column of type int64'),
     (["'one'", "x'02'"], {}, "row 2: a value of type binary"),
     (["1", "9007199254740993", "0.5"], {}, "row 2: the integer is too large"),
     (["0.5", "9007199254740993"], {}, "row 2: the integer is too large"),
     (["CAST(x'ff' AS TEXT)"], {}, "row 1: the text is not UTF-8"),
     (["CAST(x'eda080' AS TEXT)"], {}, "row 1: the text is not UTF-8"),
     (["CAST(x'c0af' AS TEXT)"], {}, "row 1: the text is not UTF-8"),
     (["CAST(x'f4908080' AS TEXT)"], {}, "row 1: the text is not UTF-8"),
     (["1", "2.5"], {"x": "int64"}, "row 2: a value of type float64 in a column of type int64")],
)  # fmt: skip
def test_what_does_not_fit_is_named(db, rows, types, problem):
    cursor = db.execute(values_of("", *rows))
    with pytest.raises(quorlite.DataError, match=problem):
        cursor.fetch_arrow(types=types)
    assert cursor.fetchall() == []
    with pytest.raises(quorlite.DataError, match=problem):
        db.execute(values_of("", *rows)).fetch_numpy(types=types)


def test_types_that_are_given(db):
    table = db.execute("SELECT 1 AS x, NULL AS y").fetch_arrow(types={"x": "float64", "y": "binary"})
    assert table.schema.types == [pyarrow.float64(), pyarrow.large_binary()]
    for types, problem in [({"x": "int32"}, "not int32"), ({"z": "int64"}, "no column 'z'")]:
        with pytest.raises(quorlite.ProgrammingError, match=problem):
            db.execute("SELECT 1 AS x").fetch_arrow(types=types)


def test_numpy_and_nulls(db):
    db.execute("CREATE TABLE t(i, f, s, b, n, whole)")
    db.executemany("INSERT INTO t VALUES(?, ?, ?, ?, NULL, ?)",
                   [(1, 1.5, "a", b"\0", 1), (None, None, None, None, 2), (3, 3.5, "c", b"c\0", 3)])
    found = db.execute("SELECT * FROM t").fetch_numpy()
    assert list(found) == ["i", "f", "s", "b", "n", "whole"]
    assert found["i"].dtype == numpy.int64 and found["i"].tolist() == [1, None, 3]
    assert found["f"].dtype == numpy.float64 and math.isnan(found["f"][1])
    assert found["s"].tolist() == ["a", None, "c"]
    assert found["b"].tolist() == [b"\0", None, b"c\0"]
    assert numpy.isnan(found["n"]).all()
    assert type(found["whole"]) is numpy.ndarray and found["whole"].sum() == 6
    with pytest.raises(quorlite.ProgrammingError, match="AS"):
        db.execute("SELECT 1 AS x, 2 AS x").fetch_numpy()


# ---- Parts ----


def test_the_rest_after_rows_that_were_fetched(db):
    cursor = db.execute(NUMBERS + "SELECT x FROM n", (10_000,))
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany(2) == [(2,), (3,)]
    assert cursor.fetch_arrow()["x"].to_pylist() == list(range(4, 10_001))
    assert cursor.fetch_arrow().num_rows == 0
    assert cursor.fetch_numpy()["x"].tolist() == []


def test_batches(db):
    batches = list(db.execute(NUMBERS + "SELECT x, 't' || x AS t FROM n", (10_000,))
                   .fetch_arrow_batches(3000))
    assert [len(batch) for batch in batches] == [3000, 3000, 3000, 1000]
    table = pyarrow.Table.from_batches(batches)
    assert table["x"].to_pylist() == list(range(1, 10_001))
    assert table["t"][9_999].as_py() == "t10000"
    assert [len(batch) for batch in db.execute("SELECT 1 WHERE 0").fetch_arrow_batches()] == [0]
    late = db.execute(values_of("", "1", "2", "0.5")).fetch_arrow_batches(2)
    assert len(next(late)) == 2
    with pytest.raises(quorlite.DataError, match="row 3.*types"):
        next(late)
    with pytest.raises(quorlite.ProgrammingError, match="one row"):
        db.execute("SELECT 1").fetch_arrow_batches(0)


MEMORY = """
import re, sys
import quorlite

def peak_mb():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read()).group(1)) / 1024

db = quorlite.connect(sys.argv[1], "memory")
kept = None
query = sys.argv[3] + "SELECT x, zeroblob(1000) FROM n"
list(db.execute(query, (1000,)).fetch_arrow_batches(1000))
before, rows = peak_mb(), 0
for batch in db.execute(query, (100_000,)).fetch_arrow_batches(1000):
    rows += len(batch)
    if sys.argv[2] == "keep":
        kept = [kept, batch]
assert rows == 100_000
print(peak_mb() - before)
"""


@pytest.mark.parametrize("what", ["drop", "keep"])
def test_batches_need_bounded_memory(quorlite_cluster, what):
    """Batches of 1 MB of a result of 100 MB; that much, if the caller keeps them all."""
    target = ",".join(quorlite_cluster.addresses)
    done = subprocess.run([sys.executable, "-c", MEMORY, target, what, NUMBERS],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    grown = float(done.stdout)
    assert grown < 20 if what == "drop" else grown > 90


def test_arrays_outlive_what_they_came_from(db):
    cursor = db.execute(NUMBERS + "SELECT x, hex(x) AS h FROM n", (5000,))
    batch = next(cursor.fetch_arrow_batches())
    column = batch.column(1)
    cursor.close()
    del cursor, batch
    assert column[4999].as_py() == "35303030"


def test_statements_without_columns(db):
    with pytest.raises(quorlite.ProgrammingError, match="no columns"):
        db.execute("CREATE TABLE t(x)").fetch_arrow()


@pytest.mark.parametrize(("package", "extra"), [("pyarrow", "arrow"), ("numpy", "numpy")])
def test_packages_that_are_missing(db, monkeypatch, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    cursor = db.execute("SELECT 1")
    with pytest.raises(ImportError, match=rf"{package}: pip install 'quorlite\[{extra}\]'"):
        cursor.fetch_arrow() if package == "pyarrow" else cursor.fetch_numpy()
    assert cursor.fetchall() == [(1,)]


# ---- Any rows ----


def random_column(rng, rows):
    make = rng.choice([
        lambda: rng.randint(-(2**63), 2**63 - 1),
        lambda: rng.choice([rng.randint(-1000, 1000), rng.uniform(-1e9, 1e9)]),
        lambda: "".join(chr(rng.choice([0x41, 0xE9, 0x20AC, 0x1F600])) for _ in range(rng.randint(0, 9))),
        lambda: rng.randbytes(rng.randint(0, 40)),
    ])
    return [None if rng.random() < 0.2 else make() for _ in range(rows)]


@pytest.mark.parametrize("seed", range(20))
def test_columns_are_what_rows_are(db, seed):
    rng = random.Random(seed)
    rows = list(zip(*(random_column(rng, rng.choice([1, 7, 8, 9, 500])) for _ in range(4))))
    db.execute("CREATE TABLE t(a, b, c, d)")
    db.executemany("INSERT INTO t VALUES(?, ?, ?, ?)", rows)
    query = "SELECT * FROM t ORDER BY rowid"
    table = db.execute(query).fetch_arrow()
    table.validate(full=True)
    assert list(zip(*(column.to_pylist() for column in table.columns))) == db.execute(query).fetchall()
    arrays = db.execute(query).fetch_numpy()
    for name in arrays:
        plain = [None if value != value else value for value in arrays[name].tolist()]
        assert plain == table[name].to_pylist()


def test_rows_of_returning_are_counted(db):
    db.execute("CREATE TABLE t(x)")
    cursor = db.execute("INSERT INTO t VALUES(1), (2) RETURNING x")
    assert (cursor.fetchone(), cursor.fetch_arrow().num_rows, cursor.rowcount) == ((1,), 1, 2)
    cursor = db.execute("INSERT INTO t VALUES(1), (2), (3) RETURNING x")
    assert ([len(batch) for batch in cursor.fetch_arrow_batches(2)], cursor.rowcount) == ([2, 1], 3)


# ---- asyncio ----


def test_asyncio(db):
    target = ",".join(each.address for each in db.cluster.nodes()) + f"/{db.database}"

    async def main():
        async with quorlite.aio.connect(target, timeout=20) as connection:
            query = NUMBERS + "SELECT x, x / 2.0 AS half, 't' || x AS t FROM n"
            for options in ({}, {"timeout": 20}):  # a stream; all at once
                cursor = await connection.execute(query, (50_000,), **options)
                assert (await cursor.fetchone())[0] == 1
                table = await cursor.fetch_arrow()
                assert table["x"].to_pylist() == list(range(2, 50_001))
                assert (await cursor.fetch_arrow()).num_rows == 0
                cursor = await connection.execute(query, (50_000,), **options)
                sizes = [len(batch) async for batch in cursor.fetch_arrow_batches(20_000)]
                assert sizes == [20_000, 20_000, 10_000]
                cursor = await connection.execute(query, (50_000,), **options)
                assert (await cursor.fetch_numpy())["half"].sum() == 50_000 * 50_001 / 4
            await connection.execute("CREATE TABLE told(x)")
            cursor = await connection.execute("INSERT INTO told VALUES(1), (2) RETURNING x")
            assert (await cursor.fetch_arrow()).num_rows == cursor.rowcount == 2
            cursor = await connection.execute(values_of("", "1", "'two'"))
            with pytest.raises(quorlite.DataError, match="row 2"):
                await cursor.fetch_arrow()
            assert await cursor.fetchall() == []

    asyncio.run(asyncio.wait_for(main(), 60))
