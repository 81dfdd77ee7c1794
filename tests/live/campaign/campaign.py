#!/usr/bin/env python3
"""A campaign of faults on real processes: every acknowledged write is checked on every node afterwards.

Usage: campaign.py MINUTES [--seed N] [--without FAULT...] [--binary QUORLITED] [--directory DIR]
      started by tests/live/campaign/run

It goes in rounds. Each has a new cluster of three nodes, in network namespaces and on disks of their own, that reach each other
directly or through links of ours; clients write and read while one fault follows the other. The seed, which is printed, decides
which faults; a round is repeated by `--seed SEED`, where SEED is what the round printed.
"""

import argparse
import collections
import pathlib
import random
import sys
import time
import traceback

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]

import faults  # noqa: E402
import verdict  # noqa: E402
import world  # noqa: E402
from cluster import ROOT, default_binary  # noqa: E402
from writers import Book  # noqa: E402

ROUND_SECONDS = 75
SILENCE_MAX = 30  # seconds without a write while a majority could write, and after everything is mended

Done = collections.namedtuple("Done", "name begin end")


class Figures:
    def __init__(self):
        self.rounds = self.checked = self.acknowledged = self.doubtful = self.refused = self.reads = self.flipped = 0
        self.times = collections.Counter()
        self.silence = collections.defaultdict(float)

    def add(self, place, book, history, checked):
        self.rounds += 1
        self.checked += checked
        self.acknowledged += sum(len(writer.committed) for writer in book.writers)
        self.doubtful += sum(len(writer.doubtful) for writer in book.writers)
        self.refused += sum(len(writer.refused) for writer in book.writers)
        self.reads += sum(reader.answered for reader in book.readers)
        self.flipped += sum(node.link.flipped for node in place.nodes if node.link)
        for done in history:
            self.times[done.name] += 1
            self.silence[done.name] = max(self.silence[done.name], book.silence(done.begin, done.end))

    def table(self):
        lines = ["| fault | times | longest silence of a database, in s |", "| --- | ---: | ---: |"]
        lines += [f"| {name} | {self.times[name]} | {self.silence[name]:.1f} |" for name in sorted(self.times)]
        kinds = collections.Counter()
        for name, times in self.times.items():
            for word in ("kill", "pause", "partition", "disk"):
                kinds[word] += times * (word in name)
        lines.append(f"{self.rounds} rounds, {sum(self.times.values())} faults (kills {kinds['kill']}, stops {kinds['pause']}, "
                     f"partitions {kinds['partition']}, disks {kinds['disk']}, flipped bits {self.flipped}); "
                     f"{self.checked} writes checked on each of 3 nodes: {self.acknowledged} acknowledged, "
                     f"{self.refused} refused, {self.doubtful} in doubt; {self.reads} reads, none of them old")
        return "\n".join(lines)


def strike(place, rng, book, linked, without):
    """One fault, and until writes go on after it."""
    kinds = faults.ANYWHERE + (faults.LINKED if linked else faults.DIRECT)
    fault = rng.choice([kind for kind in kinds if kind.__name__ not in without])
    begin = time.monotonic()
    print(f"    {time.strftime('%H:%M:%S')} {fault.__name__}", flush=True)
    fault(place, random.Random(rng.random()), book)
    place.heal()
    mended = time.monotonic()
    place.look_after()
    before = book.counts()
    while any(count < before[database] + 10 for database, count in book.counts().items()):
        place.look_after()
        assert time.monotonic() < mended + SILENCE_MAX, f"after {fault.__name__}: no writes for {SILENCE_MAX} s: {book.counts()}"
        time.sleep(0.02)
    done = Done(fault.__name__, begin, time.monotonic())
    if fault not in faults.SILENT | {faults.vanish}:
        silence = book.silence(begin, done.end)
        assert silence < SILENCE_MAX, f"{fault.__name__}: no writes for {silence:.0f} s, with a majority there"
    return done


def one_round(seed, seconds, arguments, figures):
    rng = random.Random(seed)
    linked = rng.random() < 0.5
    print(f"round {figures.rounds + 1}, --seed {seed}: {'links of ours' if linked else 'direct'}", flush=True)
    place = world.World(arguments.binary, arguments.directory, linked)
    try:
        book = Book(place.addresses, seed)
        history = []
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                time.sleep(rng.uniform(0.1, 1.5))
                history.append(strike(place, rng, book, linked, arguments.without))
        finally:
            book.stop()
        checked = verdict.check(place, book)
        verdict.stop_and_start(place)
        figures.add(place, book, history, checked)
        if book.errors:
            print(f"    refused: {book.errors}", flush=True)
    finally:
        place.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("minutes", type=float)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--without", nargs="*", default=[], metavar="FAULT")
    parser.add_argument("--binary", type=pathlib.Path, default=default_binary())
    parser.add_argument("--directory", type=pathlib.Path, default=ROOT / "build/campaign")
    arguments = parser.parse_args()
    world.make_bridge()
    figures = Figures()
    deadline = time.monotonic() + 60 * arguments.minutes
    seed = arguments.seed
    while (left := deadline - time.monotonic()) > 20 or not figures.rounds:
        try:
            one_round(seed, min(ROUND_SECONDS, max(10, left - 15)), arguments, figures)
        except Exception:
            print(f"FAILED with --seed {seed}; logs in {arguments.directory}\n{traceback.format_exc()}", flush=True)
            return 1
        seed += 1
    print(figures.table(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
