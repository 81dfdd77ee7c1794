"""Values there and back: every type, at its edges, and as drawn at random."""

import datetime
import decimal
import enum
import random
import uuid

import pytest

import quorlite


def back(db, value, sql="SELECT ?"):
    return db.execute(sql, (value,)).fetchone()[0]


@pytest.mark.parametrize(
    "value",
    [None, 0, 1, -1, 2**63 - 1, -(2**63), 0.0, -0.5, 1e308, 5e-324, float("inf"), float("-inf"), "",
     "a", "\U0001f980" * 1000, "x" * 200_000, b"", b"\0", bytes(range(256)), b"x" * 200_000],
)
def test_what_sql_has_comes_back_as_it_was(db, value):
    again = back(db, value)
    assert again == value and type(again) is type(value)


def test_nan_is_null_as_in_sqlite(db):
    assert back(db, float("nan")) is None


@pytest.mark.parametrize(
    ("value", "stored"),
    [(True, 1), (False, 0), (bytearray(b"ab"), b"ab"), (memoryview(b"abcd")[1:3], b"bc"),
     (datetime.datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02 03:04:05.000006"),
     (datetime.date(2026, 1, 2), "2026-01-02"), (datetime.time(3, 4, 5), "03:04:05"),
     (decimal.Decimal("1.10"), "1.10"),
     (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005")],
)
def test_what_sql_does_not_have_is_adapted(db, value, stored):
    assert back(db, value) == stored


def test_enums_and_subclasses(db):
    class Colour(enum.Enum):
        RED = "red"

    class Level(enum.IntEnum):
        HIGH = 3

    class Name(str):
        pass

    class Length(float):
        pass

    assert back(db, Colour.RED) == "red"
    assert back(db, Level.HIGH) == 3
    assert back(db, Name("n")) == "n"
    assert back(db, Length(0.5)) == 0.5


def test_a_text_has_no_zero_byte(db):
    with pytest.raises(quorlite.ProgrammingError, match="blob"):
        back(db, "a\0b")


def test_integers_that_are_too_large(db):
    for value in (2**63, -(2**63) - 1, 10**100):
        with pytest.raises(OverflowError):
            back(db, value)


def test_adapters_and_conform(db):
    class Point:
        def __init__(self, x, y):
            self.x, self.y = x, y

    class Conforming:
        def __conform__(self, protocol):
            assert protocol is quorlite.PrepareProtocol
            return "conforms"

    class Failing:
        def __conform__(self, protocol):
            raise ZeroDivisionError

    with pytest.raises(quorlite.ProgrammingError, match="register_adapter"):
        back(db, Point(1, 2))
    quorlite.register_adapter(Point, lambda p: f"{p.x};{p.y}")
    assert back(db, Point(1, 2)) == "1;2"
    assert back(db, Conforming()) == "conforms"
    with pytest.raises(ZeroDivisionError):
        back(db, Failing())


def test_a_buffer_that_is_not_contiguous_is_refused(db):
    with pytest.raises((BufferError, quorlite.Error, TypeError)):
        back(db, memoryview(b"abcdef")[::2])


def test_an_adapter_that_changes_the_list(db):
    class Hostile:
        def __conform__(self, protocol):
            values.clear()
            return 1

    values = [Hostile(), "x" * 1000]
    assert db.execute("SELECT ?, ?", values).fetchone() == (1, "x" * 1000)


def test_declared_types(db):
    db.execute("CREATE TABLE t(d DATE, ts TIMESTAMP, dt DATETIME, b BOOLEAN)")
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901)
    aware = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    db.execute("INSERT INTO t VALUES(?, ?, ?, ?)", (moment.date(), moment, aware, True))
    db.execute("INSERT INTO t VALUES(NULL, NULL, NULL, NULL)")
    db.execute("INSERT INTO t VALUES('', '2026-01-02T03:04:05.5Z', 1767323045, 0)")
    db.commit()
    plain = db.execute("SELECT * FROM t").fetchall()
    assert plain[0] == ("2026-01-02", "2026-01-02 03:04:05.678901", "2026-01-02 03:04:05+00:00", 1)
    assert type(plain[0][3]) is int
    typed = db.cluster.connect(db.database, detect_types=quorlite.PARSE_DECLTYPES)
    rows = typed.execute("SELECT * FROM t").fetchall()
    typed.close()
    assert rows[0] == (moment.date(), moment, aware, True)
    assert type(rows[0][3]) is bool
    assert rows[1] == (None, None, None, None)
    assert rows[2][0] == ""
    assert rows[2][1:] == (datetime.datetime(2026, 1, 2, 3, 4, 5, 500000, datetime.timezone.utc),
                           aware, False)


def test_converters_by_the_column_s_name(db):
    quorlite.register_converter("reversed", lambda raw: raw[::-1])
    named = db.cluster.connect(db.database, detect_types=quorlite.PARSE_COLNAMES)
    row = named.execute(
        "SELECT 'abc' AS \"x [reversed]\", '1.5' AS \"y [decimal]\", NULL AS \"z [decimal]\","
        " 7 AS \"w [nothing]\", '2026-01-02 03:04:05' AS \"t [timestamp]\""
    ).fetchone()
    named.close()
    assert row == (b"cba", decimal.Decimal("1.5"), None, 7, datetime.datetime(2026, 1, 2, 3, 4, 5))


def test_declared_types_call_no_converter(db):
    """They do not come over the wire; the guide says so."""
    quorlite.register_converter("point", lambda raw: raw.split(b";"))
    db.execute("CREATE TABLE t(place POINT)")
    db.execute("INSERT INTO t VALUES('1;2')")
    db.commit()
    both = db.cluster.connect(db.database, detect_types=quorlite.PARSE_DECLTYPES | quorlite.PARSE_COLNAMES)
    assert both.execute("SELECT place FROM t").fetchone() == ("1;2",)
    assert both.execute('SELECT place AS "place [point]" FROM t').fetchone() == ([b"1", b"2"],)
    both.close()


def test_a_converter_that_fails(db):
    named = db.cluster.connect(db.database, detect_types=quorlite.PARSE_COLNAMES)
    cursor = named.execute("SELECT 'x' AS \"d [decimal]\"")
    with pytest.raises(decimal.InvalidOperation):
        cursor.fetchall()
    assert named.execute("SELECT 1").fetchone() == (1,)
    named.close()


def test_text_factory(db):
    db.text_factory = bytes
    assert db.execute("SELECT 'ä'").fetchone() == ("ä".encode(),)
    db.text_factory = lambda raw: raw.decode("latin-1")
    assert db.execute("SELECT 'ä'").fetchone() == ("Ã¤",)
    db.text_factory = str
    with pytest.raises(quorlite.Error, match="UTF-8"):
        db.execute("SELECT CAST(x'ff' AS TEXT)").fetchone()
    db.text_factory = bytes
    assert db.execute("SELECT CAST(x'ff' AS TEXT)").fetchone() == (b"\xff",)


def draw(random_):
    kind = random_.randrange(6)
    if kind == 0:
        return None
    if kind == 1:
        return random_.randrange(-(2 ** random_.randrange(64)), 2 ** random_.randrange(1, 64))
    if kind == 2:
        return random_.uniform(-1e9, 1e9)
    if kind == 3:
        return "".join(chr(random_.randrange(1, 0xD7FF)) for _ in range(random_.randrange(50)))
    if kind == 4:
        return random_.randbytes(random_.choice([0, 1, 7, 8, 9, 300, 5000]))
    return random_.random() < 0.5


def test_rows_drawn_at_random_come_back(db):
    seed = random.randrange(2**32)
    random_ = random.Random(seed)
    rows = [(i, *(draw(random_) for _ in range(5))) for i in range(1500)]
    db.execute("CREATE TABLE t(i INTEGER PRIMARY KEY, a, b, c, d, e)")
    with db:
        db.executemany("INSERT INTO t VALUES(?, ?, ?, ?, ?, ?)", rows)
    cursor = db.execute("SELECT * FROM t ORDER BY i")
    got = []
    while True:
        some = cursor.fetchmany(random_.randrange(1, 700))
        if not some:
            break
        got += some
    assert got == rows, f"seed {seed}"


def test_numbers_of_numpy_are_numbers(db):
    numpy = pytest.importorskip("numpy")
    given = (numpy.int64(-5), numpy.float32(0.5), numpy.bool_(True), numpy.array(7), numpy.arange(2, dtype="u1"))
    assert db.execute("SELECT ?, ?, ?, ?, ?", given).fetchone() == (-5, 0.5, 1, 7, b"\0\1")
