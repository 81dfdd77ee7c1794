"""Clients that write numbered rows through several databases, and remember what each was told; readers that look for old answers."""

import random
import threading
import time

from cluster import Client, Connection, Failure, InDoubt, Unreachable

DATABASES = ["app", "größe 2", "third.db"]
WRITERS = 6
READERS = 2
PATIENCE = 2.0  # of a client with a node that does not answer


class Writer(threading.Thread):
    """Writes n = 1, 2, 3 …, in every second writer's case as two rows of one transaction."""

    def __init__(self, number, addresses, book):
        super().__init__(daemon=True)
        self.number = number
        self.database = DATABASES[number % len(DATABASES)]
        self.client = Client(addresses, self.database, timeout=20, answer_within=0.5, patience=PATIENCE)
        self.book = book
        self.committed = []
        self.refused = []
        self.doubtful = []

    @property
    def last(self):
        return self.committed[-1] if self.committed else 0

    def run(self):
        count = 0
        while not self.book.stopping:
            count += 1
            try:
                self.write(count)
                self.committed.append(count)
                self.book.commits[self.database].append(time.monotonic())
            except InDoubt:
                self.doubtful.append(count)
            except (Failure, Unreachable) as error:
                self.refused.append(count)
                self.book.errors[str(error)[:60]] = self.book.errors.get(str(error)[:60], 0) + 1
                self.client.close()  # and with it a transaction that is still open
            time.sleep(0.004)
        self.client.close()

    def write(self, count):
        if self.number % 2:
            self.client.execute("INSERT INTO rows VALUES (?, ?, 0, hex(randomblob(20)))", self.number, count)
            return
        insert = f"INSERT INTO rows VALUES ({self.number}, {count}"
        self.client.execute(f"BEGIN IMMEDIATE; {insert}, 0, 'one'); {insert}, 1, 'two'); COMMIT")

    def told(self):
        return {"committed": set(self.committed), "refused": set(self.refused), "doubtful": set(self.doubtful)}


class Reader(threading.Thread):
    """Asks any node, also one that only takes itself for the leader. What was acknowledged before is in the answer."""

    def __init__(self, addresses, book, seed):
        super().__init__(daemon=True)
        self.addresses = addresses
        self.book = book
        self.random = random.Random(seed)
        self.connections = {}
        self.answered = 0

    def run(self):
        while not self.book.stopping:
            address, writer = self.random.choice(self.addresses), self.random.choice(self.book.writers)
            before = writer.last
            try:
                ((last,),) = self.at(address, writer.database).query("SELECT max(n) FROM rows WHERE writer = ?",
                                                                     writer.number)
            except (Failure, InDoubt, Unreachable):
                if connection := self.connections.pop((address, writer.database), None):
                    connection.close()
                time.sleep(0.02)
                continue
            self.answered += 1
            if (last or 0) < before:
                self.book.stale.append(f"{address} answered {last} for writer {writer.number}, who had {before}")
            time.sleep(0.01)

    def at(self, address, database):
        if (address, database) not in self.connections:
            self.connections[address, database] = Connection(address, PATIENCE).open(database)
        return self.connections[address, database]


class Book:
    """All clients of a round, and what they know."""

    def __init__(self, addresses, seed):
        for database in DATABASES:
            client = Client(addresses, database)
            client.execute("CREATE TABLE rows(writer, n, half, filler, PRIMARY KEY (writer, n, half)) WITHOUT ROWID")
            client.close()
        self.stopping = False
        self.commits = {database: [] for database in DATABASES}  # when, of all writers
        self.stale = []
        self.errors = {}
        self.writers = [Writer(number, addresses, self) for number in range(WRITERS)]
        self.readers = [Reader(addresses, self, seed + number) for number in range(READERS)]
        for thread in self.writers + self.readers:
            thread.start()

    def stop(self):
        self.stopping = True
        for thread in self.writers + self.readers:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def silence(self, begin, end):
        """The longest time that touches [begin, end] in which nothing was acknowledged in one of the databases."""
        longest = 0.0
        for commits in self.commits.values():
            times = [begin] + [at for at in list(commits) if at > begin]
            gaps = [later - at for at, later in zip(times, times[1:] + [max(end, times[-1])]) if at <= end]
            longest = max([longest, *gaps])
        return longest

    def counts(self):
        return {database: len(commits) for database, commits in self.commits.items()}
