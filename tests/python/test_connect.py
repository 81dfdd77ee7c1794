"""What connect() takes."""

import pathlib

import pytest

import quorlite
from quorlite._address import parse


@pytest.mark.parametrize(
    ("target", "addresses", "store", "database"),
    [("a:1/db", ("a:1",), None, "db"),
     ("a:1,b:2, c:3/db", ("a:1", "b:2", "c:3"), None, "db"),
     ("[::1]:9001/db", ("[::1]:9001",), None, "db"),
     ("a:1", ("a:1",), None, None),
     ("quorlite://a:1,b:2/db", ("a:1", "b:2"), None, "db"),
     ("quorlite://a:1/d%20b?timeout=5", ("a:1",), None, "d b"),
     ("nodes.yaml", (), "nodes.yaml", None),
     ("/etc/nodes.yml/db", (), "/etc/nodes.yml", "db"),
     (pathlib.Path("x/nodes"), (), "x/nodes", None)],
)
def test_targets(target, addresses, store, database):
    place = parse(target)
    assert (place.addresses, place.store, place.database) == (addresses, store, database)


@pytest.mark.parametrize("target", ["", "/db", "a/db", "a:b/db", ":1/db", 5, None, b"a:1/db",
                                    "quorlite://me:secret@a:1/db"])
def test_targets_that_make_no_sense(target):
    with pytest.raises(quorlite.ProgrammingError):
        quorlite.connect(target, "db")


def test_options_in_a_url(quorlite_cluster):
    nodes = ",".join(quorlite_cluster.addresses)
    with quorlite.connect(f"quorlite://{nodes}/url?timeout=7&busy_timeout=0.5") as db:
        assert db.execute("SELECT 1").fetchone() == (1,)
    for wrong in ("?timeout=long", "?no_such=1", "?timeout=-1", "?timeout=nan"):
        with pytest.raises(quorlite.ProgrammingError):
            quorlite.connect(f"quorlite://{nodes}/url{wrong}")


def test_a_database_must_be_named(quorlite_cluster):
    for name in (None, "", "x" * 1000):
        with pytest.raises(quorlite.ProgrammingError):
            quorlite.connect(",".join(quorlite_cluster.addresses), name)


def test_a_node_store(quorlite_cluster, tmp_path):
    store = tmp_path / "cluster.yaml"
    store.write_text(f"- Address: {quorlite_cluster.addresses[1]}\n  ID: 0\n  Role: 0\n")
    db = quorlite.connect(store, "stored")
    assert db.execute("SELECT 1").fetchone() == (1,)
    db.close()
    assert quorlite.connect(f"{store}/stored").execute("SELECT 1").fetchone() == (1,)
    store.write_text("nonsense: [")
    with pytest.raises(quorlite.OperationalError) as caught:
        quorlite.connect(store, "stored")
    assert caught.value.kind == "store"
    with pytest.raises(quorlite.OperationalError):
        quorlite.connect(tmp_path / "missing.yaml", "stored")


def test_the_whole_cluster_is_learnt_from_one_node(quorlite_cluster):
    db = quorlite.connect(quorlite_cluster.nodes[0], "one")
    assert len(db.cluster.nodes()) == 3
    assert db.node in quorlite_cluster.addresses


def test_nobody_is_there():
    with pytest.raises(quorlite.OperationalError) as caught:
        quorlite.connect("127.0.0.1:1/db", timeout=0.5)
    assert caught.value.verdict == "not_committed"
    assert caught.value.kind in ("unavailable", "deadline")
