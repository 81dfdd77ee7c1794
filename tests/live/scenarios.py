"""Runs scenarios: functions that are given a cluster which runs, and return a line about what they saw."""

import argparse
import pathlib
import shutil
import time
import traceback

from cluster import ROOT, Cluster, default_binary


def run(scenario, directory, binary, options=(), arguments=()):
    """Whether it passed. The cluster's files are kept if it has not."""
    began = time.monotonic()
    cluster = Cluster(directory / scenario.__name__, binary=binary, options=list(options))
    try:
        cluster.start()
        report = scenario(cluster, *arguments)
        crashed = [node for node in cluster.nodes if not node.running() and node.process.returncode not in (0, -9)]
        assert not crashed, f"ended by themselves: {[node.address for node in crashed]}"
    except Exception:
        print(f"FAILED {scenario.__name__}\n{traceback.format_exc()}\n{cluster.logs()}", flush=True)
        return False
    finally:
        cluster.close()
    shutil.rmtree(cluster.directory, ignore_errors=True)
    print(f"passed {scenario.__name__} in {time.monotonic() - began:.1f} s: {report}", flush=True)
    return True


def parser(description, directory):
    """Of a command line that may name scenarios."""
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("--binary", type=pathlib.Path, default=default_binary())
    made.add_argument("--directory", type=pathlib.Path, default=ROOT / "build" / directory)
    made.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    return made


def chosen(parser, names, scenarios, on_request=()):
    """Those that are named; all of `scenarios` if none is."""
    known = {scenario.__name__: scenario for scenario in [*scenarios, *on_request]}
    unknown = set(names) - set(known)
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or scenarios
