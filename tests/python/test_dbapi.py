"""PEP 249, paragraph by paragraph, and the habits of sqlite3."""

import contextlib
import dataclasses
import datetime
import sqlite3
import threading

import pytest

import quorlite


def test_module_says_what_it_is():
    assert quorlite.apilevel == "2.0"
    assert quorlite.threadsafety == 2
    assert quorlite.paramstyle == "qmark"


def test_exceptions_are_the_tree_of_pep_249():
    assert issubclass(quorlite.Warning, Exception)
    assert issubclass(quorlite.Error, Exception)
    assert issubclass(quorlite.InterfaceError, quorlite.Error)
    assert issubclass(quorlite.DatabaseError, quorlite.Error)
    for name in ("DataError", "OperationalError", "IntegrityError", "InternalError",
                 "ProgrammingError", "NotSupportedError"):
        assert issubclass(getattr(quorlite, name), quorlite.DatabaseError)
        assert getattr(quorlite.Connection, name) is getattr(quorlite, name)
    assert issubclass(quorlite.InDoubtError, quorlite.OperationalError)


def test_rows_come_as_tuples(db):
    cursor = db.execute("SELECT 1 AS a, 'two' AS b, 3.5 AS c, NULL AS d, x'05' AS e")
    assert [column[0] for column in cursor.description] == ["a", "b", "c", "d", "e"]
    assert all(len(column) == 7 for column in cursor.description)
    assert cursor.fetchone() == (1, "two", 3.5, None, b"\x05")
    assert cursor.fetchone() is None
    assert cursor.rowcount == -1


def test_a_select_without_rows_has_a_description(db):
    cursor = db.execute("SELECT 1 AS a WHERE 0")
    assert cursor.description[0][0] == "a"
    assert cursor.fetchall() == []


def test_fetching(db):
    cursor = db.cursor()
    cursor.execute("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 10)"
                   " SELECT i FROM n")
    assert cursor.arraysize == 1
    assert cursor.fetchmany() == [(1,)]
    assert cursor.fetchmany(3) == [(2,), (3,), (4,)]
    assert next(cursor) == (5,)
    assert cursor.fetchmany(0) == []
    assert cursor.fetchall() == [(6,), (7,), (8,), (9,), (10,)]
    assert cursor.fetchall() == []
    with pytest.raises(quorlite.ProgrammingError):
        cursor.execute("SELECT 1").fetchmany(-1)


def test_arguments_of_the_wrong_type(db):
    for call in (lambda: db.execute("SELECT 1").fetchmany(1.5), lambda: db.execute("SELECT 1", timeout="soon"),
                 lambda: quorlite.Cluster("h:1", timeout="soon"), lambda: db.cluster.remove("one"),
                 lambda: db.cluster.assign(None, "voter")):
        with pytest.raises(TypeError, match="must be|cannot be") as caught:
            call()
        assert "_core" not in str(caught.value)
    for call in (lambda: db.cluster.remove(-1), lambda: db.cluster.assign(1, 5), lambda: db.cluster.transfer(2**64)):
        with pytest.raises(quorlite.ProgrammingError, match="not (-1|5|18446744073709551616)$"):
            call()


def test_what_a_statement_did(db):
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, x)")
    cursor = db.execute("INSERT INTO t(x) VALUES(1), (2)")
    assert (cursor.rowcount, cursor.lastrowid, cursor.description) == (2, 2, None)
    assert db.execute("UPDATE t SET x = 0").rowcount == 2
    assert db.execute("WITH w AS (SELECT 1) INSERT INTO t(x) SELECT * FROM w").rowcount == 1
    assert db.execute("DELETE FROM t WHERE id > 1").rowcount == 2
    assert db.execute("SELECT 1").rowcount == -1
    assert db.execute("CREATE TABLE u(x)").rowcount == -1
    assert db.total_changes == 7
    cursor = db.execute("INSERT INTO t(x) VALUES(9), (8) RETURNING x")
    assert (cursor.rowcount, cursor.fetchall(), cursor.rowcount) == (-1, [(9,), (8,)], 2)
    cursor = db.execute("UPDATE t SET x = 1 RETURNING x")
    assert (list(cursor), cursor.rowcount, db.total_changes) == ([(1,)] * 3, 3, 12)


def test_rows_are_sequences_of_parameters(db):
    db.execute("CREATE TABLE t(a, b)")
    plain = sqlite3.connect(":memory:")
    plain.row_factory = sqlite3.Row
    db.executemany("INSERT INTO t VALUES(?, ?)", plain.execute("SELECT 1 AS b, 2 AS a"))
    plain.close()
    db.row_factory = quorlite.Row
    db.executemany("INSERT INTO t VALUES(?, ?)", db.execute("SELECT * FROM t").fetchall())
    db.row_factory = None
    assert db.execute("SELECT * FROM t").fetchall() == [(1, 2)] * 2


def test_statements_without_rows_fetch_nothing(db):
    cursor = db.execute("CREATE TABLE t(x)")
    assert cursor.fetchone() is None
    assert cursor.fetchmany(3) == []
    assert cursor.fetchall() == []
    assert list(cursor) == []


def test_closed_cursors_and_connections_say_so(db, other):
    cursor = db.execute("SELECT 1")
    cursor.close()
    cursor.close()
    for call in (cursor.fetchone, cursor.fetchall, lambda: cursor.execute("SELECT 1"),
                 lambda: next(cursor), lambda: cursor.executemany("INSERT", [])):
        with pytest.raises(quorlite.ProgrammingError):
            call()
    rows = other.execute("SELECT 1")
    other_cursor = other.cursor()
    other.close()
    other.close()
    for call in (other.commit, other.rollback, other.cursor, lambda: other.execute("SELECT 1"),
                 other.ping, other.__enter__, lambda: other.executescript("SELECT 1"),
                 rows.fetchone, other_cursor.fetchone, other_cursor.fetchall, other_cursor.fetchmany,
                 other.interrupt, lambda: other.set_trace_callback(None), lambda: other.getlimit(0)):
        with pytest.raises(quorlite.ProgrammingError):
            call()


def test_setsizes_do_nothing(db):
    cursor = db.cursor()
    cursor.setinputsizes([1])
    cursor.setoutputsize(1)


def test_row(db):
    db.row_factory = quorlite.Row
    row = db.execute("SELECT 1 AS a, 2 AS B").fetchone()
    assert row["a"] == row["A"] == row[0] == 1
    assert row["b"] == row[-1] == 2
    assert row.keys() == ["a", "B"]
    assert tuple(row) == (1, 2) and len(row) == 2 and row[0:1] == (1,)
    assert row == db.execute("SELECT 1 AS a, 2 AS B").fetchone()
    assert row != db.execute("SELECT 1 AS a, 3 AS B").fetchone()
    assert hash(row) == hash(db.execute("SELECT 1 AS a, 2 AS B").fetchone())
    for key in ("c", 2, 2**1000, 1j, None):
        with pytest.raises(IndexError):
            row[key]
    assert db.execute("SELECT 1 AS 'É'").fetchone()["É"] == 1
    with pytest.raises(IndexError):  # to SQL only the letters of ASCII have cases
        db.execute("SELECT 1 AS 'É'").fetchone()["é"]


def test_row_factory_of_ones_own(db):
    def as_dict(cursor, values):
        return {column[0]: value for column, value in zip(cursor.description, values)}

    db.row_factory = as_dict
    assert db.execute("SELECT 1 AS a").fetchall() == [{"a": 1}]
    cursor = db.cursor()
    cursor.row_factory = None
    assert cursor.execute("SELECT 1 AS a").fetchone() == (1,)


@dataclasses.dataclass
class Point:
    x: int
    y: int = 7


def test_rows_as_objects_of_a_dataclass(db):
    db.row_factory = Point
    assert db.execute("SELECT 2 AS y, 1 AS x").fetchone() == Point(1, 2)
    assert db.execute("SELECT 1 AS x UNION SELECT 2").fetchall() == [Point(1), Point(2)]
    assert list(db.execute("SELECT 1 AS x")) == [Point(1)]
    with pytest.raises(TypeError):
        db.execute("SELECT 1 AS z").fetchone()


def test_connection_of_ones_own(db):
    class Mine(quorlite.Connection):
        def count(self):
            return self.execute("SELECT 1").fetchone()[0]

    with contextlib.closing(quorlite.connect(db.cluster, db.database, factory=Mine)) as mine:
        assert mine.count() == 1


def test_factories_of_cursors_make_cursors(db):
    with pytest.raises(TypeError, match="a factory of cursors gave a list"):
        db.cursor(lambda connection: [])
    with pytest.raises(TypeError, match="not of a str"):
        quorlite.Cursor("db")


def test_cursor_of_ones_own(db):
    class Mine(quorlite.Cursor):
        pass

    assert isinstance(db.cursor(Mine), Mine)
    assert isinstance(db.cursor(Mine).execute("SELECT 1"), Mine)


def test_executemany(db):
    db.execute("CREATE TABLE t(a, b)")
    rows = [(i, str(i)) for i in range(3000)]
    assert db.executemany("INSERT INTO t VALUES(?, ?)", rows).rowcount == 3000
    db.executemany("INSERT INTO t VALUES(:a, :b)", ({"a": -i, "b": None} for i in range(1, 3)))
    db.commit()
    assert db.execute("SELECT count(*), min(a) FROM t").fetchone() == (3002, -2)
    assert db.executemany("UPDATE t SET b = 'x' WHERE a = ?", [(1,), (2,), (-9,)]).rowcount == 2
    assert db.executemany("DELETE FROM t WHERE a = ?", []).rowcount == 0
    for sql in ("SELECT ?", "CREATE TABLE u(x)"):
        with pytest.raises(quorlite.ProgrammingError):
            db.executemany(sql, [(1,)])


@pytest.mark.parametrize("level", [None, "IMMEDIATE"])
def test_executemany_is_all_or_nothing(db, level):
    db.isolation_level = level
    db.execute("CREATE TABLE t(a UNIQUE)")
    db.execute("INSERT INTO t VALUES(700)")
    with pytest.raises(quorlite.IntegrityError):
        db.executemany("INSERT INTO t VALUES(?)", [(i,) for i in range(1000)])

    def broken():
        yield (1,)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.executemany("INSERT INTO t VALUES(?)", broken())
    assert db.in_transaction == (level is not None)
    db.commit()
    assert db.execute("SELECT a FROM t").fetchall() == [(700,)]


def test_executescript(db):
    db.execute("CREATE TABLE t(a)")
    db.execute("INSERT INTO t VALUES(1)")
    db.executescript("""
        INSERT INTO t VALUES(2);  -- a comment; with a semicolon
        CREATE TRIGGER after AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;
        INSERT INTO t VALUES(';');
    """)
    assert not db.in_transaction
    assert db.execute("SELECT a FROM t").fetchall() == [(1,), (2,), (";",)]
    with pytest.raises(quorlite.OperationalError):
        db.executescript("INSERT INTO t VALUES(3); NONSENSE; INSERT INTO t VALUES(4)")
    assert db.execute("SELECT count(*) FROM t").fetchone() == (4,)
    with pytest.raises(TypeError):
        db.executescript(b"SELECT 1")


def test_parameters_by_name(db):
    assert db.execute("SELECT :a, @b, $c", {"a": 1, "b": 2, "c": 3, "more": 4}).fetchone() == (1, 2, 3)

    class Everything(dict):
        def __missing__(self, name):
            return name + "!"

    assert db.execute("SELECT :a || :b", Everything()).fetchone() == ("a!b!",)
    with pytest.raises(quorlite.ProgrammingError, match=":b"):
        db.execute("SELECT :a, :b", {"a": 1})


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [("SELECT ?", ()), ("SELECT ?", (1, 2)), ("SELECT 1", (1,)), ("SELECT ?", "1"),
     ("SELECT ?", 1), ("SELECT ?", (object(),)), ("SELECT ?", ([],)),
     ("SELECT 1; SELECT 2", ())],
)
def test_calls_that_make_no_sense(db, sql, parameters):
    with pytest.raises(quorlite.ProgrammingError) as caught:
        db.execute(sql, parameters)
    assert caught.value.verdict == "not_committed"
    assert db.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("sql", [None, 1, b"SELECT 1", ["SELECT 1"]])
def test_sql_is_a_str(db, sql):
    with pytest.raises(TypeError):
        db.execute(sql)


def test_sql_that_is_no_unicode(db):
    with pytest.raises(UnicodeEncodeError):
        db.execute("SELECT '\ud800'")
    with pytest.raises(UnicodeEncodeError):
        db.execute("SELECT ?", ("\ud800",))


@pytest.mark.parametrize("sql", [
    "WITH a(v) AS (SELECT 'xyz') SELECT replace(v, 'x', 'y') FROM a",
    "WITH x AS (SELECT 1) -- INSERT comes later\nSELECT * FROM x",
    "/* INSERT */ SELECT 1",
    "/* a */ " * 1000 + "SELECT 1",
])
def test_words_that_only_look_like_writes(db, sql):
    assert len(db.execute(sql).fetchall()) == 1
    assert not db.in_transaction


def test_words_that_write(db):
    db.execute("CREATE TABLE t(a)")
    db.execute("WITH x(a) AS (SELECT 1) /* SELECT */ INSERT INTO t SELECT a FROM x")
    assert db.in_transaction


@pytest.mark.parametrize("sql", ["", " ", ";", "-- nothing", "/* a */ " * 1000])
def test_a_text_without_a_statement_does_nothing(db, sql):
    cursor = db.execute(sql)
    assert cursor.fetchall() == [] and cursor.description is None and not db.in_transaction


def test_executemany_counts_what_returning_yields(db):
    db.execute("CREATE TABLE t(a)")
    assert db.executemany("INSERT INTO t VALUES(?) RETURNING a", [(1,), (2,)]).rowcount == 2


class Numbers:
    """No more than a sequence has to have."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        assert index in (0, 1)
        return index + 5


def test_any_sequence_holds_parameters(db):
    assert db.execute("SELECT ?, ?", Numbers()).fetchone() == (5, 6)
    assert db.execute("SELECT ?, ?", range(2)).fetchone() == (0, 1)


def test_names_end_before_the_type_of_a_converter(db):
    named = quorlite.connect(db.cluster, db.database, detect_types=quorlite.PARSE_COLNAMES)
    cursor = named.execute("SELECT '2020-01-01' AS 'day [date]', 1 AS '[x]', 2 AS plain")
    assert [column[0] for column in cursor.description] == ["day", "[x]", "plain"]
    assert cursor.fetchone() == (datetime.date(2020, 1, 1), 1, 2)
    named.row_factory = quorlite.Row
    assert named.execute("SELECT '2020-01-01' AS 'day [date]'").fetchone()["day"].year == 2020
    assert db.execute("SELECT 1 AS 'day [date]'").description[0][0] == "day [date]"


def test_statements_are_traced(db):
    traced = []
    db.set_trace_callback(traced.append)
    db.execute("CREATE TABLE t(x)")
    with db:
        db.execute("INSERT INTO t VALUES(?)", (1,))
        db.executemany("INSERT INTO t VALUES(?)", [(2,), (3,)])
    db.executescript("SELECT 1; SELECT 2")
    db.set_trace_callback(None)
    db.execute("SELECT 3")
    assert traced == [
        "CREATE TABLE t(x)", "BEGIN IMMEDIATE", "INSERT INTO t VALUES(?)", "INSERT INTO t VALUES(?)",
        "COMMIT", "SELECT 1; SELECT 2",
    ]


def test_limits_are_the_nodes(db):
    assert db.getlimit(quorlite.SQLITE_LIMIT_LENGTH) == 64 << 20
    assert db.getlimit(quorlite.SQLITE_LIMIT_VARIABLE_NUMBER) == 250_000
    for category in (-1, 99):
        with pytest.raises(quorlite.ProgrammingError, match="there is no limit"):
            db.getlimit(category)
    with pytest.raises(quorlite.NotSupportedError):
        db.setlimit(quorlite.SQLITE_LIMIT_LENGTH, 1)


def test_isolation_level_none_commits(db, other):
    db.execute("CREATE TABLE t(a)")
    db.execute("INSERT INTO t VALUES(1)")
    db.isolation_level = None
    assert not db.in_transaction
    assert other.execute("SELECT * FROM t").fetchall() == [(1,)]


def test_a_script_with_a_zero_byte_was_not_sent(db):
    with pytest.raises(quorlite.ProgrammingError) as caught:
        db.executescript("CREATE TABLE t(x);\0")
    assert caught.value.verdict == "not_committed"
    assert not db.execute("SELECT 1 FROM sqlite_master").fetchall()


def test_a_script_of_which_a_part_is_done_is_in_doubt(db):
    with pytest.raises(quorlite.InDoubtError, match="is done"):
        db.executescript("CREATE TABLE t(a); SELECT nosuch")


def test_an_empty_text_in_a_column_of_times(db):
    db.execute("CREATE TABLE t(d DATETIME)")
    db.execute("INSERT INTO t VALUES(''), (NULL)")
    assert db.execute("SELECT d FROM t").fetchall() == [("",), (None,)]


@pytest.mark.parametrize("value", ["soon", "2020-13-01", "2020-01-01 25:00", 10**17, -(10**17)])
def test_what_is_no_time_in_a_column_of_times(db, value):
    declared = quorlite.connect(db.cluster, db.database, detect_types=quorlite.PARSE_DECLTYPES)
    declared.execute("CREATE TABLE t(a DATETIME)")
    declared.execute("INSERT INTO t VALUES(?)", (value,))
    with pytest.raises(quorlite.DataError, match="is no time, though"):
        declared.execute("SELECT a FROM t").fetchall()
    assert declared.execute("SELECT +a FROM t").fetchone() == (value,)


def test_what_is_too_long_is_not_sent(db):
    db.execute("CREATE TABLE t(a)")
    with pytest.raises(quorlite.Error, match="no more than") as failed:
        db.execute("INSERT INTO t VALUES(?)", (bytes(64 << 20),))
    assert not failed.value.may_retry and failed.value.sqlite_errorcode == 18
    db.rollback()
    db.execute("INSERT INTO t VALUES(1)")


def test_several_cursors_are_read_in_turn(db):
    numbers = ("WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < 2999)"
               " SELECT i FROM n")
    first, second = db.execute(numbers), db.execute(numbers)
    for i in range(3000):
        assert first.fetchone() == second.fetchone() == (i,)


def test_rows_that_are_left_unread_do_no_harm(db):
    numbers = ("WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
               " SELECT i FROM n")
    for _ in range(20):
        assert db.execute(numbers).fetchone() == (0,)
    cursor = db.execute(numbers)
    cursor.fetchone()
    cursor.execute("SELECT 'again'")
    assert cursor.fetchall() == [("again",)]


def test_what_cannot_exist_over_a_wire(db):
    for name in ("create_function", "create_aggregate", "create_collation", "load_extension",
                 "blobopen", "serialize", "set_authorizer", "set_progress_handler"):
        with pytest.raises(quorlite.NotSupportedError, match="wire: "):
            getattr(db, name)("x", 1, len)
    with pytest.raises(AttributeError):
        db.no_such_thing


def test_codes_are_there_by_name():
    assert quorlite.SQLITE_CONSTRAINT_UNIQUE == sqlite3.SQLITE_CONSTRAINT_UNIQUE == 2067
    assert quorlite.SQLITE_LIMIT_LENGTH == sqlite3.SQLITE_LIMIT_LENGTH
    assert quorlite.complete_statement("SELECT 1;") and not quorlite.complete_statement("SELECT 1")


def test_constraints_have_sqlites_codes(db):
    db.executescript("""
        CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, n NOT NULL, c CHECK(c > 0));
        INSERT INTO t VALUES(1, 1, 1, 1);
    """)
    for values, name in [((1, 2, 2, 2), "SQLITE_CONSTRAINT_PRIMARYKEY"),
                         ((2, 1, 2, 2), "SQLITE_CONSTRAINT_UNIQUE"),
                         ((2, 2, None, 2), "SQLITE_CONSTRAINT_NOTNULL"),
                         ((2, 2, 2, 0), "SQLITE_CONSTRAINT_CHECK")]:
        with pytest.raises(quorlite.IntegrityError) as caught:
            db.execute("INSERT INTO t VALUES(?, ?, ?, ?)", values)
        assert caught.value.sqlite_errorname == name
        if hasattr(sqlite3, name):
            assert caught.value.sqlite_errorcode == getattr(sqlite3, name)
        assert (caught.value.verdict, caught.value.may_retry) == ("not_committed", False)


def test_syntax_errors_are_operational_as_in_sqlite3(db):
    with pytest.raises(quorlite.OperationalError, match="near") as caught:
        db.execute("SELEC 1")
    assert caught.value.sqlite_errorname == "SQLITE_ERROR"


def test_constructors_and_type_objects():
    assert quorlite.Date(2026, 1, 2) == datetime.date(2026, 1, 2)
    assert quorlite.Time(1, 2, 3) == datetime.time(1, 2, 3)
    assert quorlite.Timestamp(2026, 1, 2, 3, 4, 5) == datetime.datetime(2026, 1, 2, 3, 4, 5)
    assert bytes(quorlite.Binary(b"x")) == b"x"
    now = 1_700_000_000.0
    assert isinstance(quorlite.DateFromTicks(now), datetime.date)
    assert isinstance(quorlite.TimeFromTicks(now), datetime.time)
    assert isinstance(quorlite.TimestampFromTicks(now), datetime.datetime)
    assert quorlite.STRING == str and quorlite.NUMBER == int and quorlite.BINARY == bytes
    assert quorlite.STRING != int


def test_timeout_of_a_call(db):
    endless = "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(quorlite.OperationalError) as caught:
        db.execute(endless, timeout=0.3)
    assert caught.value.kind == "deadline"
    assert db.execute("SELECT 1").fetchone() == (1,)


def test_interrupt_from_another_thread(db):
    endless = "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    timer = threading.Timer(0.3, db.interrupt)
    timer.start()
    with pytest.raises(quorlite.OperationalError) as caught:
        db.execute(endless)
    timer.join()
    assert caught.value.kind == "cancelled"
    assert db.execute("SELECT 1").fetchone() == (1,)
