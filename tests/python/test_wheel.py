"""The wheel: what is in it, what it needs, and that it gets along with others in the process."""

import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest


@pytest.fixture(scope="module")
def wheel():
    if "QUORLITE_WHEEL" not in os.environ:
        pytest.skip("run by tests/python/run, which builds the wheel")
    return pathlib.Path(os.environ["QUORLITE_WHEEL"])


def test_it_is_small_and_for_many_linuxes(wheel):
    assert wheel.stat().st_size < 10_000_000
    assert "manylinux_2_" in wheel.name


def test_it_is_typed(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "quorlite/py.typed" in names
    assert "quorlite/_core.pyi" in names


def test_it_brings_what_it_needs(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (core,) = (tmp_path / "quorlite").glob("_core.*.so")
    needed = subprocess.run(["ldd", core], capture_output=True, text=True, check=True).stdout
    system = {"linux-vdso", "libc", "libm", "libgcc_s", "libstdc++", "ld-linux-x86-64", "libpthread",
              "libdl", "librt", "ld-linux-aarch64"}
    for line in needed.splitlines():
        name, _, path = line.strip().partition(" => ")
        if name.split("/")[-1].split(".")[0] not in system:
            assert str(tmp_path) in path, f"{name} comes from the system: {path}"
    assert "sqlite" not in needed


def test_it_exports_nothing_but_its_beginning(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (core,) = (tmp_path / "quorlite").glob("_core.*.so")
    listed = subprocess.run(["nm", "-D", "--defined-only", core], capture_output=True, text=True,
                            check=True).stdout
    assert [line.split()[-1] for line in listed.splitlines()] == ["PyInit__core"]


def test_the_sdist_has_the_sources():
    folder = pathlib.Path(os.environ.get("QUORLITE_WHEEL", ".")).parents[1] / "dist"
    if not folder.is_dir():
        pytest.skip("run by tests/python/run, which builds the sdist")
    (path,) = folder.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    for wanted in ("pyproject.toml", "README.md", "CMakeLists.txt", "core/module.cc",
                   "sources/CMakeLists.txt", "sources/drivers/package/CMakeLists.txt",
                   "sources/engine/raft/raft.cc", "sources/spec/peer.capnp",
                   "src/quorlite/__init__.py", "build_backend/backend.py"):
        assert wanted in names
    assert not [name for name in names if name.endswith((".so", ".o", ".a"))]


# Each order of imports, in a process of its own: whose SQLite is it?
BESIDE = """
import sys, tempfile
if sys.argv[1] == "first":
    import sqlite3
import quorlite, quorlite.testing
import sqlite3
own = sqlite3.connect(":memory:")
with quorlite.testing.TestCluster(1) as nodes:
    db = nodes.connect()
    for each in (own, db):
        each.execute("CREATE TABLE t(x)")
        each.executemany("INSERT INTO t VALUES(?)", [(i,) for i in range(100)])
        each.commit()
    own.create_function("twice", 1, lambda x: 2 * x)
    assert own.execute("SELECT sum(twice(x)) FROM t").fetchone() == (9900,)
    try:
        db.execute("SELECT twice(1)")
    except quorlite.OperationalError as error:
        assert "no such function" in str(error)
    else:
        raise AssertionError("sqlite3's function is seen by the node")
    assert own.execute("SELECT sqlite_version()").fetchone() == (sqlite3.sqlite_version,)
    assert db.execute("SELECT sum(x) FROM t").fetchone() == (4950,)
    db.close()
assert own.execute("SELECT count(*) FROM t").fetchone() == (100,)
"""


@pytest.mark.parametrize("order", ["first", "second"])
def test_it_lives_beside_sqlite3(order):
    subprocess.run([sys.executable, "-c", BESIDE, order], check=True, timeout=60)


def test_it_is_checked_by_mypy_strict(tmp_path):
    use = tmp_path / "use.py"
    use.write_text(
        "import quorlite\n"
        "def names(db: quorlite.Connection) -> list[str]:\n"
        "    return [row[0] for row in db.execute('SELECT name FROM t')]\n"
        "count: int = quorlite.run(quorlite.connect('a:1/b'), lambda tx: tx.execute('X').rowcount)\n"
        "cursor: quorlite.Cursor = quorlite.connect('a:1/b').cursor()\n"
    )
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import quorlite\nquorlite.connect('a:1/b').execute(5)\n")
    unknown = tmp_path / "unknown.py"
    unknown.write_text("import quorlite\nquorlite.connect('a:1/b').nonsense()\n")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache"]
    for arguments, status in [(["-p", "quorlite"], 0), ([use], 0), ([wrong], 1), ([unknown], 1)]:
        done = subprocess.run([*mypy, *arguments], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == status, done.stdout


def test_a_clean_environment(wheel, tmp_path):
    """Nothing but the wheel: no pip cache of anything else, no development files."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index",
                    "--disable-pip-version-check", wheel], check=True)
    subprocess.run([python, "-I", "-c", BESIDE, "first"], check=True, timeout=60, cwd=tmp_path)
