"""The dialect, where it differs from SQLite's: URLs, isolation, retries, what breaks a connection."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

import quorlite
from quorlite.sqlalchemy import is_retriable, run, url
from quorlite.sqlalchemy._dialect import nodes_of


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"
    name: Mapped[str] = mapped_column(primary_key=True)
    balance: Mapped[int]


@pytest.fixture
def accounts(engine):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(Account), [{"name": "ada", "balance": 100}, {"name": "grace", "balance": 0}]
        )
    return engine


def balance(connection, name):
    return connection.scalar(sa.select(Account.balance).where(Account.name == name))


def set_balance(connection, name, value):
    connection.execute(sa.update(Account).where(Account.name == name).values(balance=value))


# ---- URLs ----


@pytest.mark.parametrize(
    ("text", "nodes"),
    [("quorlite://a:1/db", "a:1"),
     ("quorlite://a,b,c:9001/db", "a:9001,b:9001,c:9001"),
     ("quorlite://a:1/db?host=b:2&host=c:3", "a:1,b:2,c:3"),
     ("quorlite://[::1]:1/db", "[::1]:1"),
     ("quorlite:///db?host=a:1", "a:1"),
     ("quorlite:///db?store=/etc/cluster.yaml", "/etc/cluster.yaml")],
)  # fmt: skip
def test_nodes_of_urls(text, nodes):
    assert nodes_of(sa.make_url(text)) == nodes


@pytest.mark.parametrize(
    ("target", "nodes"),
    [("a:1/db", "a:1"), ("a:1,b:2/db", "a:1,b:2"), ("[::1]:1,b:2/db", "[::1]:1,b:2"),
     ("/etc/nodes.yaml/db", "/etc/nodes.yaml")],
)  # fmt: skip
def test_urls_of_targets_survive_being_written(target, nodes):
    made = url(target, timeout="5")
    assert sa.make_url(str(made)) == made
    assert (nodes_of(made), made.database, made.query["timeout"]) == (nodes, "db", "5")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("quorlite:///db", "names no node"), ("quorlite://a:1", "names no database"),
     ("quorlite://a/db", "has no port"), ("quorlite://a:1/db?color=red", "no option 'color'"),
     ("quorlite://a:1/db?timeout=soon", "number of seconds")],
)  # fmt: skip
def test_urls_that_make_no_sense(text, problem):
    with pytest.raises(sa.exc.ArgumentError, match=problem):
        sa.create_engine(text).connect()


# ---- Transactions ----


def test_reads_of_one_transaction_see_one_state(accounts):
    with accounts.connect() as reader, accounts.connect() as writer:
        assert balance(reader, "ada") == 100
        set_balance(writer, "ada", 1)
        writer.commit()
        assert balance(reader, "ada") == 100
        reader.rollback()
        assert balance(reader, "ada") == 1


def test_a_write_after_a_stale_read_is_refused_and_retriable(accounts):
    with accounts.connect() as first, accounts.connect() as second:
        assert balance(first, "ada") == balance(second, "ada") == 100
        set_balance(first, "ada", 90)
        first.commit()
        with pytest.raises(sa.exc.OperationalError) as raised:
            set_balance(second, "ada", 80)
        assert is_retriable(raised.value)
        assert not raised.value.connection_invalidated
        second.rollback()
        assert balance(second, "ada") == 90


def test_immediate_transactions_lock_when_they_begin(accounts, quorlite_db):
    engine = accounts.execution_options(isolation_level="IMMEDIATE")
    nodes = ",".join(each.address for each in quorlite_db.cluster.nodes())
    impatient = quorlite.connect(nodes, quorlite_db.database, busy_timeout=0)
    with engine.connect() as connection:
        assert connection.get_isolation_level() == "IMMEDIATE"
        assert balance(connection, "ada") == 100
        with pytest.raises(quorlite.OperationalError, match="locked"):
            impatient.execute("UPDATE account SET balance = 0")
    impatient.close()


def test_autocommit(accounts):
    with accounts.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        set_balance(connection, "ada", 7)
        with accounts.connect() as other:
            assert balance(other, "ada") == 7
        connection.rollback()
        assert balance(connection, "ada") == 7
    with accounts.connect() as connection:
        assert connection.get_isolation_level() == "SERIALIZABLE"


def test_a_savepoint_that_comes_first_is_no_transaction_of_its_own(accounts):
    with accounts.connect() as connection:
        with connection.begin_nested():
            set_balance(connection, "ada", 1)
        connection.rollback()
        assert balance(connection, "ada") == 100


def test_inner_savepoints_roll_back_alone(accounts):
    with accounts.begin() as connection:
        set_balance(connection, "ada", 1)
        inner = connection.begin_nested()
        set_balance(connection, "ada", 2)
        inner.rollback()
    with accounts.connect() as connection:
        assert balance(connection, "ada") == 1


def test_definitions_are_part_of_the_transaction(engine):
    with engine.connect() as connection:
        Base.metadata.create_all(connection)
        connection.rollback()
    assert sa.inspect(engine).get_table_names() == []


def test_settings_of_listeners_have_their_effect(target):
    engine = sa.create_engine(target)

    @sa.event.listens_for(engine, "connect")
    def connect(connection, record):
        connection.execute("PRAGMA foreign_keys = OFF")

    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 0
    engine.dispose()


def test_unicode_names(engine):
    table = sa.Table("測試", sa.MetaData(), sa.Column("méil", sa.Integer, primary_key=True))
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), {"méil": 5})
        assert connection.execute(table.select()).all() == [(5,)]
    assert sa.inspect(engine).get_columns("測試")[0]["name"] == "méil"


# ---- What breaks, and what is done again ----


def test_run_does_a_refused_transaction_again(accounts):
    attempts = []

    def raise_salary(connection):
        now = balance(connection, "ada")
        attempts.append(now)
        if len(attempts) == 1:
            with accounts.begin() as other:
                set_balance(other, "ada", 200)
        set_balance(connection, "ada", now + 1)
        return now + 1

    assert run(accounts, raise_salary) == 201
    assert attempts == [100, 200]


def test_run_takes_sessions(accounts):
    def rename(session):
        session.get(Account, "ada").balance += 5

    maker = sessionmaker(accounts)
    run(maker, rename)
    with maker() as session:
        assert session.get(Account, "ada").balance == 105


def test_run_lets_other_errors_through_and_undoes_the_work(accounts):
    def fail(connection):
        set_balance(connection, "ada", 0)
        raise KeyError("nothing to do with the database")

    with pytest.raises(KeyError):
        run(accounts, fail)
    with accounts.connect() as connection:
        assert balance(connection, "ada") == 100


def test_constraints_are_integrity_errors(accounts):
    with accounts.connect() as connection:
        with pytest.raises(sa.exc.IntegrityError) as raised:
            connection.execute(sa.insert(Account), {"name": "ada", "balance": 1})
    assert raised.value.orig.sqlite_errorname == "SQLITE_CONSTRAINT_PRIMARYKEY"
    assert not is_retriable(raised.value)


@pytest.mark.parametrize("kind", ["connection", "unavailable", "protocol", "sql", "busy"])
def test_what_counts_as_a_broken_connection(accounts, kind):
    error = quorlite.OperationalError("made for this test")
    error.kind = kind
    broken = kind in ("connection", "unavailable", "protocol")
    assert accounts.dialect.is_disconnect(error, None, None) is broken


def test_a_new_leader_is_found(target, quorlite_cluster):
    engine = sa.create_engine(target)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
    for number in range(3):
        quorlite_cluster.cluster().transfer()
        run(engine, lambda connection, number=number: connection.execute(
            sa.insert(Account), {"name": str(number), "balance": number}))  # fmt: skip
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.sum(Account.balance))) == 3
    engine.dispose()


def test_closed_connections_are_replaced(accounts):
    with accounts.connect() as connection:
        connection.connection.dbapi_connection.close()
        with pytest.raises(sa.exc.DBAPIError) as raised:
            balance(connection, "ada")
        assert raised.value.connection_invalidated
    with accounts.connect() as connection:
        assert balance(connection, "ada") == 100
