#!/usr/bin/env python3
"""Runs every fuzz target for some seconds, as many at once as there are cores.

Usage: fuzz.py --build DIR [--seconds N] [TARGET...]     all targets if none is named

Inputs that reached something new stay in DIR/corpus and are where the next run begins. A failing input is kept in
DIR/findings; the line that runs it again is printed. The canary is a target with a fault: the run fails if that
fault is not found, because then nothing else would be found either.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

import corpus

CANARY = "fuzz_canary"
CANARY_SECONDS = 60  # it needs one
MEMORY_MB = 2048
INPUT_SECONDS_MAX = 120  # a hang, even where the machine is busy


def run(target, build, seconds):
    """(exit status, executions, edges, output). libFuzzer ends with 0 only if nothing was found."""
    own = build / "corpus" / target.name
    findings = build / "findings"
    own.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    command = [target, own, f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB}",
               f"-timeout={INPUT_SECONDS_MAX}", f"-artifact_prefix={findings}/{target.name}-", "-print_final_stats=1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    executions = re.findall(r"number_of_executed_units: (\d+)", done.stdout)
    edges = re.findall(r" cov: (\d+)", done.stdout)
    return done.returncode, int(executions[-1]) if executions else 0, int(edges[-1]) if edges else 0, done.stdout


def judge(target, build, result):
    """Prints what came of one target; True if it is as it should be."""
    status, executions, edges, output = result
    if target.name == CANARY:
        print(f"{target.name}: its fault was {'found' if status else 'NOT FOUND'}", flush=True)
        return status != 0
    if status == 0 and executions > 0:
        print(f"{target.name}: {executions} executions, {edges} edges", flush=True)
        return True
    print(f"FAILED {target.name} with status {status}\n" + "\n".join(output.splitlines()[-60:]))
    for finding in re.findall(r"Test unit written to (\S+)", output):
        print(f"reproduce: {target} {finding}")
    sys.stdout.flush()
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="the build folder of the preset `fuzz`")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    known = {path.name: path for path in sorted((build / "fuzzers").glob("fuzz_*"))}
    unknown = set(arguments.targets) - set(known)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    chosen = [known[name] for name in arguments.targets or known]
    if not arguments.targets and CANARY not in known:
        parser.error(f"no {CANARY} in {build / 'fuzzers'}: build the target `fuzzers` of the preset `fuzz`")
    corpus.write(build / "corpus")
    seconds = {target: CANARY_SECONDS if target.name == CANARY else arguments.seconds for target in chosen}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda target: (target, run(target, build, seconds[target])), chosen))
    passed = [judge(target, build, result) for target, result in results]
    print(f"{sum(passed)} of {len(passed)} fuzz targets passed, {arguments.seconds} s each")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
