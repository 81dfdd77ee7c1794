"""The first steps: connect, write, read.

    python people.py 127.0.0.1:9001/example
"""

import sys

import quorlite


def main(target: str) -> None:
    # Each statement is a transaction of its own, unless one is begun.
    with quorlite.connect(target, autocommit=True) as db:
        db.execute("CREATE TABLE IF NOT EXISTS people(id INTEGER PRIMARY KEY, name TEXT, age INTEGER)")
        db.execute("DELETE FROM people")
        db.execute("INSERT INTO people(name, age) VALUES(?, ?)", ("Ada", 36))
        db.execute("INSERT INTO people(name, age) VALUES(:name, :age)", {"name": "Alan", "age": None})

        for name, age in db.execute("SELECT name, age FROM people ORDER BY id"):
            print(name, "unknown" if age is None else age)
        try:
            db.execute("INSERT INTO people(id) VALUES(1)")
        except quorlite.IntegrityError as error:
            print(error)
        print(*db.execute("SELECT count(*) FROM people").fetchone(), "people")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: people.py HOST:PORT,.../DATABASE")
    main(sys.argv[1])
