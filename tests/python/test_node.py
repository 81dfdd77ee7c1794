"""Nodes in the process, and the administration of a cluster."""

import pathlib
import sqlite3
import time

import pytest

import quorlite
from quorlite.testing import TestCluster, free_addresses


def test_three_nodes_in_one_process_are_a_cluster(tmp_path):
    addresses = free_addresses(3)
    options = {"log_level": "off"}
    with quorlite.Node(tmp_path / "1", addresses[0], bootstrap=True, **options) as first, \
         quorlite.Node(tmp_path / "2", addresses[1], join=addresses[0], **options), \
         quorlite.Node(tmp_path / "3", addresses[2], join=[addresses[0]], **options):
        status = first.status()
        assert (status.address, status.role) == (addresses[0], "leader")
        assert status.leader_id == status.id > 0
        db = quorlite.connect(first, "app")
        assert sorted(node.address for node in db.cluster.nodes()) == sorted(addresses)
        db.execute("CREATE TABLE t(x)")
        assert first.handover()
        assert first.status().role != "leader"
        db.execute("INSERT INTO t VALUES(1)")
        db.commit()
        db.close()
    with quorlite.Node(tmp_path / "1", wait=0, **options) as first:
        assert first.address == addresses[0]


def test_a_snapshot_is_what_the_node_has(run_folder, tmp_path):
    with TestCluster(folder=run_folder) as nodes:
        db = nodes.connect("t")
        with db:
            db.execute("CREATE TABLE t(x)")
            db.execute("INSERT INTO t VALUES('there')")
        db.close()
        last = nodes.nodes[nodes.leader()].status().last_index
        for number, node in enumerate(nodes.nodes):
            end = time.monotonic() + 20
            while node.status().applied_index < last and time.monotonic() < end:
                time.sleep(0.01)
            node.snapshot(tmp_path / str(number), "t")
            with sqlite3.connect(tmp_path / str(number)) as copy:
                assert copy.execute("SELECT x FROM t").fetchall() == [("there",)]
            copy.close()
        with pytest.raises(quorlite.OperationalError):
            nodes.nodes[0].snapshot(tmp_path / "none", "nothing")
        node = nodes.nodes[0]
    with pytest.raises(quorlite.Error):
        node.snapshot(tmp_path / "none", "t")
    assert not (tmp_path / "none").exists()


def test_a_cluster_survives_its_leader(run_folder):
    with TestCluster(folder=run_folder) as nodes:
        db = nodes.connect("t")
        db.execute("CREATE TABLE t(x)")
        for value in range(6):
            with db:
                db.execute("INSERT INTO t VALUES(?)", (value,))
            if value % 2 == 0:
                number = nodes.leader()
                nodes.stop(number)
                with db:
                    db.execute("INSERT INTO t VALUES(?)", (-value - 1,))
                nodes.start(number)
        assert db.execute("SELECT count(*) FROM t").fetchone() == (9,)
        db.close()
        folder = pathlib.Path(nodes._folder.name)
    assert not folder.exists()


def test_nodes_that_cannot_start_say_why(tmp_path):
    cases = [
        (dict(directory=tmp_path / "a"), "directory"),
        (dict(directory=tmp_path / "b", address="nonsense"), "options"),
        (dict(directory="/proc/nowhere", address=free_addresses(1)[0]), "directory"),
        (dict(directory=tmp_path / "c", address="192.0.2.1:1", bootstrap=True), "listen"),
    ]
    for options, reason in cases:
        with pytest.raises(quorlite.NodeError) as caught:
            quorlite.Node(log_level="off", **options)
        assert caught.value.reason == reason, caught.value
        assert isinstance(caught.value, quorlite.OperationalError)
    with pytest.raises(quorlite.NodeError) as caught:
        quorlite.Node(tmp_path / "d", free_addresses(1)[0], join=free_addresses(1)[0], wait=0.3,
                      log_level="off")
    assert caught.value.reason == "timeout"
    with pytest.raises(quorlite.ProgrammingError):
        quorlite.Node(tmp_path / "e", free_addresses(1)[0], bootstrap=True, no_such_option=1)
    with pytest.raises(quorlite.ProgrammingError):
        quorlite.Node(tmp_path / "e", free_addresses(1)[0], bootstrap=True, log_level="loud")
    for wrong in (dict(election_timeout="soon"), dict(connections_max="many"), dict(cache_total_bytes=1.5),
                  dict(address=1), dict(join=[1]), dict(disk=2)):
        with pytest.raises(TypeError) as caught:
            quorlite.Node(tmp_path / "e", free_addresses(1)[0], bootstrap=True, **wrong)
        assert "pybind11" not in str(caught.value).lower()
    with pytest.raises(quorlite.NodeError, match="--busy-poll"):
        quorlite.Node(tmp_path / "e", free_addresses(1)[0], bootstrap=True, busy_poll=0.1, log_level="off")
    with pytest.raises(quorlite.NodeError, match="--connections-max"):
        quorlite.Node(tmp_path / "e", free_addresses(1)[0], bootstrap=True, connections_max=0, log_level="off")


def test_an_option_is_taken_by_its_former_name(tmp_path):
    with pytest.warns(DeprecationWarning, match="page_caches_bytes is called cache_total_bytes"):
        with pytest.raises(quorlite.NodeError, match="--cache-total is 3B"):
            quorlite.Node(tmp_path / "e", free_addresses(1)[0], bootstrap=True, page_caches_bytes=3)


def test_all_options_are_documented():
    assert "* `cache_total_bytes`: Memory for pages, of all clients together (256MiB)" in quorlite.Node.__doc__


def test_a_directory_in_use_is_refused(tmp_path):
    address = free_addresses(1)[0]
    with quorlite.Node(tmp_path / "1", address, bootstrap=True, log_level="off") as node:
        with pytest.raises(quorlite.NodeError):
            quorlite.Node(tmp_path / "1", log_level="off")
        assert node.status().role == "leader"
    node.stop()


def test_options_of_a_node(tmp_path):
    address = free_addresses(1)[0]
    with quorlite.Node(tmp_path / "1", address, bootstrap=True, busy_timeout=0.1, connections_max=50,
                       transaction_bytes_max=1 << 20, log_level="off") as node:
        db = quorlite.connect(node, "t")
        db.execute("CREATE TABLE t(x)")
        with pytest.raises(quorlite.DatabaseError):
            db.execute("INSERT INTO t VALUES(zeroblob(3000000))")
            db.commit()
        db.close()


def test_administration(quorlite_cluster):
    cluster = quorlite_cluster.cluster()
    nodes = cluster.nodes()
    assert sorted(node.address for node in nodes) == sorted(quorlite_cluster.addresses)
    assert {node.role for node in nodes} == {"voter"}
    leader = cluster.leader()
    assert leader.address in quorlite_cluster.addresses
    health = cluster.status()
    assert all(each.reachable and each.latency > 0 for each in health)
    assert [each.address for each in health if each.leader] == [leader.address]
    target = next(node for node in nodes if node.id != leader.id)
    cluster.transfer(target.id)
    assert cluster.leader().address != leader.address
    with pytest.raises(quorlite.Error):
        cluster.assign(target.id, "king")
    with pytest.raises(quorlite.Error):
        cluster.remove(12345)
