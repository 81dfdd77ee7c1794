"""When transactions begin and end, and run(), which does them again."""

import pytest

import quorlite


@pytest.fixture
def table(db):
    db.execute("CREATE TABLE t(x)")
    return db


def count(db):
    return db.execute("SELECT count(*) FROM t").fetchone()[0]


def test_a_write_begins_a_transaction(table, other):
    assert not table.in_transaction
    table.execute("SELECT * FROM t").fetchall()
    assert not table.in_transaction
    table.execute("INSERT INTO t VALUES(1)")
    assert table.in_transaction
    assert (count(table), count(other)) == (1, 0)
    table.commit()
    assert not table.in_transaction
    assert count(other) == 1
    table.execute("  /* a comment */ DELETE FROM t")
    table.rollback()
    assert count(table) == 1
    table.commit()
    table.rollback()


def test_isolation_level_none_leaves_each_statement_alone(table, other):
    table.isolation_level = None
    table.execute("INSERT INTO t VALUES(1)")
    assert not table.in_transaction
    assert count(other) == 1
    table.execute("BEGIN")
    table.execute("INSERT INTO t VALUES(2)")
    assert table.in_transaction
    table.execute("ROLLBACK")
    assert count(table) == 1


def test_isolation_levels(table):
    for level in ("", "DEFERRED", "immediate", "EXCLUSIVE", None):
        table.isolation_level = level
        assert table.isolation_level == level
        table.execute("INSERT INTO t VALUES(1)")
        table.commit()
    for wrong, error in (("SERIALIZABLE", ValueError), (1, TypeError), (b"", TypeError)):
        with pytest.raises(error):
            table.isolation_level = wrong


def test_autocommit_as_in_python_3_12(table, other):
    assert table.autocommit == quorlite.LEGACY_TRANSACTION_CONTROL
    table.autocommit = True
    table.execute("INSERT INTO t VALUES(1)")
    assert not table.in_transaction
    table.autocommit = False
    table.execute("SELECT * FROM t").fetchall()
    assert table.in_transaction
    table.rollback()
    table.execute("INSERT INTO t VALUES(2)")
    table.execute("CREATE TABLE u(x)")
    table.rollback()
    assert count(other) == 1
    table.executescript("INSERT INTO t VALUES(2); INSERT INTO t VALUES(3)")
    table.rollback()
    assert count(other) == 1, "a script is part of the transaction"
    table.execute("INSERT INTO t VALUES(2)")
    table.autocommit = True
    assert count(other) == 2
    table.executescript("INSERT INTO t VALUES(3)")
    assert count(other) == 3
    with pytest.raises(ValueError):
        table.autocommit = "yes"


def test_a_table_may_roll_the_transaction_back(table, other):
    table.execute("CREATE TABLE r(x UNIQUE ON CONFLICT ROLLBACK)")
    table.execute("CREATE TABLE u(x UNIQUE)")
    table.executemany("INSERT INTO r VALUES(?)", [(1,)])
    table.execute("INSERT INTO u VALUES(1)")
    table.commit()
    table.execute("INSERT INTO t VALUES(1)")
    with pytest.raises(quorlite.IntegrityError):
        table.execute("INSERT INTO u VALUES(1)")
    table.execute("INSERT INTO t VALUES(2)")
    with pytest.raises(quorlite.IntegrityError):
        table.execute("INSERT INTO r VALUES(1)")
    with pytest.raises(quorlite.Error, match="transaction was lost"):
        table.execute("INSERT INTO t VALUES(3)")
    table.rollback()
    assert count(other) == 0
    table.execute("INSERT INTO t VALUES(4)")
    table.commit()
    assert count(other) == 1


def test_interrupt_stops_rows_that_are_read(table):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    rows = table.execute(endless)
    rows.fetchmany(10)
    table.interrupt()
    with pytest.raises(quorlite.OperationalError, match="interrupted"):
        rows.fetchall()
    assert count(table) == 0


def test_with_commits_or_rolls_back(table, other):
    with table:
        table.execute("INSERT INTO t VALUES(1)")
    assert count(other) == 1
    with pytest.raises(ZeroDivisionError), table:
        table.execute("INSERT INTO t VALUES(2)")
        raise ZeroDivisionError
    assert not table.in_transaction
    assert count(table) == 1


def test_closing_rolls_back(table, other):
    other.execute("INSERT INTO t VALUES(1)")
    other.close()
    assert count(table) == 0
    table.execute("INSERT INTO t VALUES(1)", timeout=5)
    table.commit()


def test_savepoints(table):
    table.execute("SAVEPOINT a")
    table.execute("INSERT INTO t VALUES(1)")
    table.execute("ROLLBACK TO a")
    table.execute("RELEASE a")
    table.commit()
    assert count(table) == 0


def test_run_commits_and_returns(table, other):
    assert quorlite.run(table, lambda tx: tx.execute("INSERT INTO t VALUES(1)").rowcount) == 1
    assert count(other) == 1


def test_run_passes_exceptions_through(table):
    def fails(tx):
        tx.execute("INSERT INTO t VALUES(1)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        quorlite.run(table, fails)
    with pytest.raises(quorlite.OperationalError):
        quorlite.run(table, lambda tx: tx.execute("NONSENSE"))
    assert not table.in_transaction
    assert count(table) == 0


def test_run_does_again_what_may_be(table):
    tries = []

    def twice(tx):
        tries.append(1)
        tx.execute("INSERT INTO t VALUES(1)")
        if len(tries) < 3:
            error = quorlite.OperationalError("the leader went away")
            error.may_retry = True
            raise error

    quorlite.run(table, twice)
    assert len(tries) == 3
    assert count(table) == 1


def test_run_does_not_do_again_what_is_in_doubt(table):
    def in_doubt(tx):
        error = quorlite.InDoubtError("who knows")
        error.verdict, error.may_retry = "in_doubt", True
        tries.append(1)
        raise error

    tries = []
    with pytest.raises(quorlite.InDoubtError):
        quorlite.run(table, in_doubt)
    assert len(tries) == 1
    with pytest.raises(quorlite.InDoubtError):
        quorlite.run(table, in_doubt, idempotent=True, timeout=0.2)
    assert len(tries) > 2


def test_run_stays_in_doubt_whatever_the_last_attempt_meets(table):
    def first_in_doubt_then_refused(tx):
        error = quorlite.OperationalError("it went away") if tries else quorlite.InDoubtError("?")
        error.verdict, error.may_retry = ("not_committed", False) if tries else ("in_doubt", True)
        error.sqlite_errorcode = 2067
        tries.append(1)
        raise error

    tries = []
    with pytest.raises(quorlite.InDoubtError, match="it went away") as caught:
        quorlite.run(table, first_in_doubt_then_refused, idempotent=True)
    assert len(tries) == 2
    assert (caught.value.verdict, caught.value.sqlite_errorcode) == ("in_doubt", 2067)


def test_run_wants_no_transaction_open(table):
    table.execute("INSERT INTO t VALUES(1)")
    with pytest.raises(quorlite.ProgrammingError):
        quorlite.run(table, lambda tx: None)


def test_run_read_only_is_one_snapshot(table, other):
    def reads(tx):
        before = count(tx)
        other.execute("INSERT INTO t VALUES(1)")
        other.commit()
        return before, count(tx)

    assert quorlite.run(table, reads, read_only=True) == (0, 0)


def test_a_lock_is_an_error_that_may_pass(table, other):
    impatient = quorlite.connect(",".join(n.address for n in table.cluster.nodes()), table.database,
                                 busy_timeout=0.1, timeout=2)
    table.execute("INSERT INTO t VALUES(1)")
    with pytest.raises(quorlite.OperationalError) as caught:
        impatient.execute("INSERT INTO t VALUES(2)")
    assert caught.value.may_retry
    assert caught.value.verdict == "not_committed"
    table.rollback()
    impatient.close()
