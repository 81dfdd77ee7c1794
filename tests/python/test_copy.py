"""Whole databases: dumped, backed up, imported."""

import sqlite3

import pytest

import quorlite

SCHEMA = """
    CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, b BLOB, r REAL DEFAULT 1.5);
    CREATE TABLE "odd ""name"(x, "y z", PRIMARY KEY(x)) WITHOUT ROWID;
    CREATE TABLE g(x, double AS (x * 2) STORED);
    CREATE TABLE norowidname(rowid TEXT, oid TEXT);
    CREATE INDEX i ON a(t);
    CREATE VIEW v AS SELECT t FROM a;
    CREATE TRIGGER tr AFTER INSERT ON g BEGIN INSERT INTO a(t) VALUES('by the trigger'); END;
    INSERT INTO a(t, b, r) VALUES('it''s', x'00ff', 1e300), (NULL, NULL, 9e999);
    DELETE FROM a WHERE id = 2;
    INSERT INTO a(id, t) VALUES(7, 'seven');
    INSERT INTO "odd ""name" VALUES(1, 'ü');
    INSERT INTO g(x) VALUES(21);
    INSERT INTO norowidname VALUES('r', 'o');
    PRAGMA user_version = 12;
"""


def content(db):
    """Everything, as SQL; sqlite3's own function on both sides would hide differences of ours."""
    tables = ["a", '"odd ""name"', "g", "norowidname", "v", "sqlite_sequence"]
    rows = [(table, [tuple(row) for row in db.execute(f"SELECT * FROM {table}")]) for table in tables]
    schema = db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return rows, [tuple(row) for row in schema]


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old 100%? #1.db"  # as a URI it would end at the question mark
    file = sqlite3.connect(path)
    file.executescript(SCHEMA)
    yield path, file
    file.close()


def test_import_and_backup(db, old, tmp_path):
    path, file = old
    assert db.import_file(path) == 6
    assert content(db) == content(file)
    assert db.execute("SELECT rowid FROM g").fetchall() == file.execute("SELECT rowid FROM g").fetchall()
    assert db.execute("PRAGMA user_version").fetchone() == (12,)
    with pytest.raises(quorlite.ProgrammingError, match="not empty"):
        db.import_file(path)
    copy = tmp_path / "copy.db"
    db.backup(copy)
    copied = sqlite3.connect(copy)
    assert content(copied) == content(file)
    assert copied.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copied.close()
    memory = sqlite3.connect(":memory:")
    db.backup(memory)
    assert content(memory) == content(file)
    memory.close()


def test_iterdump_makes_the_database_again(db, old):
    db.import_file(old[0])
    again = sqlite3.connect(":memory:")
    again.executescript("\n".join(db.iterdump()))
    assert content(again) == content(db)
    again.close()


def test_import_is_all_or_nothing(db, tmp_path):
    file = sqlite3.connect(tmp_path / "bad.db")
    file.executescript("CREATE TABLE fine(x); CREATE TABLE bad(x); INSERT INTO bad VALUES(1);")
    file.execute("PRAGMA writable_schema = 1")
    file.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE bad(x CHECK(x > 1))' WHERE name = 'bad'")
    file.commit()
    file.close()
    with pytest.raises(quorlite.IntegrityError):
        db.import_file(tmp_path / "bad.db")
    assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_files_that_are_none(db, tmp_path):
    with pytest.raises(quorlite.ProgrammingError):
        db.import_file(tmp_path / "missing.db")
    (tmp_path / "text.db").write_text("no database at all, but long enough to look" * 100)
    with pytest.raises(quorlite.DatabaseError, match="text.db cannot be read: file is not a database"):
        db.import_file(tmp_path / "text.db")
    with pytest.raises((OSError, quorlite.Error)):
        db.backup(tmp_path / "missing" / "copy.db")
