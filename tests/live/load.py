"""Writers that insert numbered rows through failures, and know what they were promised."""

import collections
import threading
import time

from cluster import Failure, InDoubt, Unreachable


class Writer(threading.Thread):
    """Inserts numbered rows until told to stop. Knows what was acknowledged, when, and what is in doubt."""

    def __init__(self, cluster, number=0, pause=0.0, **options):
        super().__init__(daemon=True)
        self.client = cluster.client(**options)
        self.number = number
        self.pause = pause
        self.acknowledged = {}
        self.in_doubt = set()
        self.errors = []
        self.stopping = False

    def run(self):
        count = 0
        while not self.stopping:
            count += 1
            name = f"{self.number}-{count}"
            try:
                self.client.execute("INSERT INTO rows(name) VALUES (?)", name)
                self.acknowledged[name] = time.monotonic()
            except InDoubt:
                self.in_doubt.add(name)
            except (Failure, Unreachable) as error:
                self.errors.append(error)
            time.sleep(self.pause)

    def stop(self):
        self.stopping = True
        self.join(40)
        assert not self.is_alive(), "a writer hangs"
        self.client.close()
        return self


Outcome = collections.namedtuple("Outcome", "acknowledged in_doubt lost uncalled_for")


class Load:
    """Several writers, and the check that what they were told is true."""

    def __init__(self, cluster, writers=4, **options):
        self.cluster = cluster
        cluster.client().execute("CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        self.writers = [Writer(cluster, number, **options) for number in range(writers)]
        cluster.at_close.append(self.let_go)
        for writer in self.writers:
            writer.start()

    def let_go(self):
        for writer in self.writers:
            writer.stopping = True

    @property
    def acknowledged(self):
        return sum(len(writer.acknowledged) for writer in self.writers)

    def wait_for(self, more, timeout=20):
        goal = self.acknowledged + more
        self.cluster.until(lambda: self.acknowledged >= goal, timeout, f"{more} more writes")

    def longest_silence_ms(self, since):
        times = sorted(t for writer in self.writers for t in list(writer.acknowledged.values()) if t >= since)
        return 1000 * max((b - a for a, b in zip([since] + times, times)), default=1e6)

    def stop(self):
        """Ends the writers; what was promised to them, and what of it is not true: names that are missing, and
        names that nobody wrote."""
        for writer in self.writers:
            writer.stop()
        acknowledged = {name for writer in self.writers for name in writer.acknowledged}
        in_doubt = {name for writer in self.writers for name in writer.in_doubt}
        present = {name for (name,) in self.cluster.client().query("SELECT name FROM rows")}
        return Outcome(acknowledged, in_doubt, acknowledged - present, present - acknowledged - in_doubt)

    def stop_and_check(self, errors_allowed=False, doubts_allowed=True):
        outcome = self.stop()
        errors = [error for writer in self.writers for error in writer.errors]
        assert not outcome.lost, f"lost: {sorted(outcome.lost)[:5]}"
        assert not outcome.uncalled_for, f"uncalled for: {sorted(outcome.uncalled_for)[:5]}"
        assert errors_allowed or not errors, f"{len(errors)} failed requests: {errors[:3]}"
        assert doubts_allowed or not outcome.in_doubt, f"{len(outcome.in_doubt)} requests in doubt"
        assert self.cluster.client().query("PRAGMA integrity_check") == [("ok",)]
        return f"{len(outcome.acknowledged)} acknowledged, {len(outcome.in_doubt)} in doubt"
