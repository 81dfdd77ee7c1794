"""The Python package beside a client in pure Python, on the same three nodes in one run.

The other client is dqlite-dbapi of PyPI, which needs Python 3.13 or later: $PEER_PYTHON, by default the
first such interpreter that is found, also among those of pyenv. Both sides take turns, three times; the
medians are compared.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests" / "live"))

from cluster import Cluster  # noqa: E402

PEER = "dqlitedbapi"
TURNS = 3
WANTED = {"inserts": 3, "inserts, 16 threads": 3, "point reads": 3, "rows by executemany": 30, "rows fetched": 10}


def is_new_enough(python):
    check = "import sys; raise SystemExit(sys.version_info < (3, 13))"
    return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0


def peer_python():
    """An interpreter with dqlite-dbapi, in an environment of its own."""
    candidates = [os.environ.get("PEER_PYTHON")]
    candidates += [shutil.which(name) for name in ("python3.14", "python3.13", "python3")]
    candidates += sorted(pathlib.Path.home().glob(".pyenv/versions/*/bin/python"))
    chosen = next((each for each in candidates if each and is_new_enough(each)), None)
    if chosen is None:
        sys.exit("dqlite-dbapi needs Python 3.13 or later: name one in $PEER_PYTHON")
    folder = ROOT / "build" / "python" / "peer"
    if not (folder / "bin" / "python").exists():
        subprocess.run([chosen, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    "dqlite-dbapi"], check=True)
    return python


def measure(python, module, addresses, database):
    done = subprocess.run([python, HERE / "load.py", module, ",".join(addresses), database],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main():
    peer = peer_python()
    ours, theirs = [], []
    with Cluster(ROOT / "run" / "python-bench") as nodes:
        leader = nodes.leader().address
        addresses = [leader] + [each for each in nodes.addresses if each != leader]
        for turn in range(TURNS):
            ours.append(measure(sys.executable, "quorlite", addresses, f"ours{turn}"))
            theirs.append(measure(peer, PEER, addresses, f"theirs{turn}"))
    shutil.rmtree(ROOT / "run" / "python-bench")
    print(f"| per second | quorlite | {PEER} | times | wanted |\n| --- | --- | --- | --- | --- |")
    for name, wanted in WANTED.items():
        one, other = (statistics.median(turn[name] for turn in side) for side in (ours, theirs))
        print(f"| {name} | {one:,.0f} | {other:,.0f} | {one / other:.1f} | {wanted} |")
    one, other = (max(turn["memory"] for turn in side) for side in (ours, theirs))
    print(f"| memory for the fetch, MB | {one:.0f} | {other:.0f} | | |")


main()
