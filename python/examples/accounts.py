"""A transaction that is run again where that is safe, and many rows at once.

    python accounts.py 127.0.0.1:9001/example
"""

import sys

import quorlite


def fill(db: quorlite.Connection, count: int) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS accounts(id INTEGER PRIMARY KEY, amount INTEGER)")
    db.execute("DELETE FROM accounts")
    db.executemany("INSERT INTO accounts VALUES(?, ?)", ((id, 100) for id in range(count)))


def transfer(db: quorlite.Connection, source: int, target: int, amount: int) -> int:
    move = "UPDATE accounts SET amount = amount + ? WHERE id = ?"
    db.execute(move, (-amount, source))
    db.execute(move, (amount, target))
    (left,) = db.execute("SELECT amount FROM accounts WHERE id = ?", (source,)).fetchone()
    return left


def main(target: str) -> None:
    db = quorlite.connect(target)
    quorlite.run(db, lambda db: fill(db, 1000))
    print(1000, "accounts")
    try:
        # It may run more than once, if the leader changes in the middle of it.
        left = quorlite.run(db, lambda db: transfer(db, 1, 2, 30))
    except quorlite.InDoubtError as error:
        sys.exit(f"look at the data: {error}")
    print(left, "left")
    db.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: accounts.py HOST:PORT,.../DATABASE")
    main(sys.argv[1])
