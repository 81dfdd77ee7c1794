"""Small databases of every kind, by a seed; and what is in one, for comparison. Standard library only."""

import random
import sqlite3

NAMES = ["t", "order", "sqliteuser", "a b", 'quo"te', "it's", "naïve", "表", "[x]", "se;mi", "--", "select", "end", "x`y",
         "rowid", "_rowid_", "oid", "Using", "AUTOINCREMENT", "values", "😀", "%", "sqlit", "1st", "a\nb", "/*"]
WORDS = ["alpha", "beta", "gamma", "delta", "Épsilon", "zeta", "it", "42"]
VALUES = ["NULL", "0", "1", "-1", "9223372036854775807", "-9223372036854775808", "0.0", "-0.0", "1.5", "9e999", "-9e999",
          "5e-324", "1.7976931348623157e308", "1e16", "0.1", "''", "'x'", "'it''s; -- no'", "'1'", "'1.0'", "'line\nline'",
          "CAST(X'610D0A62' AS TEXT)", "CAST(X'00' AS TEXT)", "CAST(X'6100620063' AS TEXT)", "CAST(X'ff41' AS TEXT)",
          "CAST(X'eda080' AS TEXT)", "X''", "X'00ff27'", "'NULL'", "'表😀'", "zeroblob(9)", "hex(zeroblob(5))", "'.quit'",
          "'\n.quit\n'", "'\n;\n'"]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Maker:
    """Writes the script of one database."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = self.random.sample(NAMES, len(NAMES))
        self.lines = []

    def chance(self, share):
        return self.random.random() < share

    def add(self, *lines):
        self.lines += [line + ";" for line in lines]

    def value(self, strict=None):
        pick = self.random
        if strict == "INT":
            return str(pick.choice([0, 1, -1, 2**63 - 1, -(2**63), pick.getrandbits(40)]))
        if strict == "REAL" or (strict is None and self.chance(0.3)):
            # Of more digits, or nearer to the ends, SQLite itself reads some wrong in the last bit.
            return f"{pick.uniform(-1, 1) * 10.0 ** pick.randrange(-20, 20):.15e}"
        return pick.choice(VALUES) if strict != "TEXT" else "'" + pick.choice(WORDS) + "'"

    def text(self):
        return "'" + " ".join(self.random.choices(WORDS, k=self.random.randrange(6))) + "'"

    def table(self):
        pick = self.random
        name = quoted(self.names.pop())
        columns = [quoted(each) for each in pick.sample(["a", "b c", "rowid", "oid", "_rowid_", "end", 'd"', "DATE"], pick.randint(1, 4))]
        strict = self.chance(0.2)
        types = [pick.choice(["INT", "REAL", "TEXT", "ANY"] if strict else ["", "TEXT", "DATETIME", "BOOLEAN", "REAL", "NUMERIC", "BLOB"])
                 for _ in columns]
        key = pick.choice(["", "", "", "INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER PRIMARY KEY DESC"])
        without = not key and self.chance(0.2)
        parts = [f"{column} {kind}" for column, kind in zip(columns, types)]
        if key:
            parts.insert(pick.randrange(len(parts) + 1), f'"key" {key}')
        if without:
            parts.append('"key" INT PRIMARY KEY' if self.chance(0.5) else f'"key" INT, PRIMARY KEY("key" DESC, {columns[0]})')
        parents = [column for column in columns if self.chance(0.1)]
        if self.chance(0.3):
            kind = "INT" if strict else ""
            parts.insert(pick.randrange(len(parts)), f'"made" {kind} AS (length(hex(typeof({columns[0]})))) {pick.choice(["STORED", "VIRTUAL"])}')
        if parents and not strict:
            parts.append(f"FOREIGN KEY({parents[0]}) REFERENCES {quoted(pick.choice(NAMES))}(\"a\")")
        options = ", ".join(["STRICT"] * strict + ["WITHOUT ROWID"] * without)
        # A trigger-like text or comment in the schema must not be taken for what it is not.
        self.add(f"CREATE TABLE {name}({', '.join(parts)}{pick.choice(['', ' -- autoincrement' + chr(10)])}){options}")
        numbered = bool(key) or without
        for number in pick.sample(range(-5, 30), pick.choice([0, 1, 3, 8])):
            values = [self.value(kind if strict and kind != "ANY" else None) for kind in types]
            listed = columns + ['"key"'] * numbered
            values += [str(number)] * numbered
            self.add(f"INSERT OR IGNORE INTO {name}({', '.join(listed)}) VALUES({', '.join(values)})")
        free = [each for each in ("rowid", "oid", "_rowid_") if quoted(each) not in columns]
        if not numbered and free and self.chance(0.5):
            self.add(pick.choice([f"DELETE FROM {name} WHERE {free[0]} = 2", f"UPDATE {name} SET {free[0]} = {free[0]} - 100",
                                  f"UPDATE {name} SET {free[0]} = 9223372036854775807 WHERE {free[0]} = 1"]))
        if key and self.chance(0.2):
            self.add(f'DELETE FROM {name} WHERE "key" > 3')
        if self.chance(0.6):
            self.add(f"CREATE INDEX {quoted(self.names.pop())} ON {name}(" + pick.choice(
                [columns[0], f"{columns[0]} DESC", f"typeof({columns[-1]}), {columns[0]}", f"{columns[0]} COLLATE NOCASE"]) + ")"
                + (f" WHERE {columns[-1]} IS NOT NULL" if self.chance(0.3) else ""))
        if self.chance(0.3):
            self.add(f"CREATE VIEW {quoted(self.names.pop())} AS SELECT * FROM {name}" + pick.choice(["", " -- all\n", " /* all */"]))
        if self.chance(0.3):
            self.add(f"CREATE TRIGGER {quoted(self.names.pop())} AFTER INSERT ON {name} BEGIN "
                     f"UPDATE {name} SET {columns[0]} = CASE WHEN 1 THEN 2 END; SELECT ';'; END")

    def index_of_texts(self):
        pick = self.random
        name = self.names.pop()
        kind = pick.choice(["fts5", "fts5", "fts4", "fts3", "content", "contentless", "language"])
        columns, values = ['"a"', '"b c"'], [self.text, self.text]
        if kind == "content":
            table = self.names.pop()
            self.add(f'CREATE TABLE {quoted(table)}("a", "b c")')
            option = ", content=" + quoted(table)
        else:
            option = {"contentless": pick.choice([", content=''", ', "content" UNINDEXED, c = ""', ", content='', detail=none"]),
                      "language": ', languageid="lid"'}.get(kind, "")
            if kind == "language":
                columns, values = [*columns, "lid"], [*values, lambda: str(pick.randrange(3))]
            elif "UNINDEXED" in option:
                columns, values = [*columns, '"content"'], [*values, self.text]
        module = {"content": "fts5", "contentless": pick.choice(["fts5", '"FTS5"']), "language": "fts4"}.get(kind, kind)
        self.add(f'CREATE VIRTUAL TABLE {quoted(name)} /* as */ USING {module}("a", "b c"{option})')
        for number in pick.sample(range(1, 20), pick.randrange(5)):
            row = [each() for each in values]
            if kind == "content":
                self.add(f'INSERT INTO {quoted(table)}(rowid, "a", "b c") VALUES({number}, {row[0]}, {row[1]})')
            rowid = "oid" if name == "rowid" else "rowid"
            self.add(f"INSERT INTO {quoted(name)}({rowid}, {', '.join(columns)}) VALUES({number}, {', '.join(row)})")
        if module == "fts5":
            if self.chance(0.3):
                self.add(f"INSERT INTO {quoted(name)}({quoted(name)}, rank) VALUES('automerge', 3)")
            if self.chance(0.3):
                self.add(f"CREATE VIRTUAL TABLE {quoted(self.names.pop())} USING fts5vocab({quoted(name)}, row)")

    def boxes(self):
        pick = self.random
        name = quoted(self.names.pop())
        self.add(f"CREATE VIRTUAL TABLE {name} USING " + pick.choice(['rtree(id, x, y)', 'rtree(id, x, y, +"more")', "rtree_i32(id, x, y)"]))
        for number in range(pick.randrange(5)):
            self.add(f"INSERT INTO {name}(id, x, y) VALUES({number * 7}, {pick.uniform(-9, 9)}, {pick.uniform(10, 99)})")

    def script(self):
        for _ in range(self.random.randint(1, 4)):
            self.table()
        if self.chance(0.5):
            self.index_of_texts()
        if self.chance(0.2):
            self.boxes()
        if self.chance(0.2):
            self.add("CREATE TABLE gone(id INTEGER PRIMARY KEY AUTOINCREMENT)", "INSERT INTO gone VALUES(3)", "DROP TABLE gone")
        if self.chance(0.3):
            self.add("ANALYZE")
        if self.chance(0.3):
            self.add(f"PRAGMA user_version = {self.random.randint(-9, 9)}", "PRAGMA application_id = 77")
        return "PRAGMA foreign_keys = OFF;\n" + "\n".join(self.lines) + "\n"


def script(seed):
    return Maker(seed).script()


def content(db):
    """Everything in a database of `sqlite3`, in an order of its own; floats to the bit."""
    db.text_factory = bytes
    texts = db.execute("SELECT name, CAST(type AS BLOB) FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow'").fetchall()
    found = {"schema": sorted(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL "
                                         "AND substr(name, 1, 7) <> 'sqlite_'"))}
    # What CREATE VIRTUAL TABLE makes is its module's affair, which may change.
    shadows = {row[0] for row in db.execute("SELECT name FROM pragma_table_list WHERE type = 'shadow'")}
    found["schema"] = [row for row in found["schema"] if row[1] not in shadows]
    for name, kind in texts:
        if name.startswith(b"sqlite_") and name != b"sqlite_stat1":
            continue
        table = quoted(name.decode())
        names = [row[0].decode() for row in db.execute("SELECT name FROM pragma_table_xinfo(?)", (name.decode(),))]
        shown = [quoted(row[0].decode()) for row in db.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", (name.decode(),))]
        rowid = next((each for each in ("rowid", "_rowid_", "oid") if each not in names), None)
        listed = ", ".join(f"typeof({each}), {each}" for each in shown)
        if kind != b"view" and rowid and name != b"sqlite_stat1":
            try:
                db.execute(f"SELECT {rowid} FROM {table} LIMIT 0")
                listed = f"{rowid}, {listed}"
            except sqlite3.OperationalError:  # WITHOUT ROWID
                pass
        try:
            found[name] = sorted(map(repr, db.execute(f"SELECT {listed} FROM {table}")))
        except sqlite3.OperationalError as error:
            found[name] = str(error)
        sql = db.execute("SELECT lower(sql) FROM sqlite_schema WHERE name = ?", (name.decode(),)).fetchone()
        if sql and b"using" in sql[0] and b"vocab" not in sql[0] and b"fts" in sql[0]:
            for word in [*WORDS, '"alpha beta"']:
                hits = db.execute(f"SELECT {rowid} FROM {table} WHERE {table} MATCH ?", (word,)) if b"detail" not in sql[0] or " " not in word else ()
                found[name, word] = sorted(hits)
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        found["sequences"] = sorted(db.execute("SELECT * FROM sqlite_sequence WHERE name IN (SELECT name FROM sqlite_schema)"))
    found.setdefault("sequences", [])
    found["numbers"] = [db.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")]
    found["damage"] = db.execute("PRAGMA integrity_check").fetchall()
    return found


def difference(one, two):
    """The first part in which two contents differ, as a short text; nothing if they are equal."""
    for part in [*one, *(each for each in two if each not in one)]:
        left, right = one.get(part), two.get(part)
        if left == right:
            continue
        if isinstance(left, list) and isinstance(right, list):
            left, right = ([each for each in these if each not in those] for these, those in ((left, right), (right, left)))
        return f"{part!r}: {left!r:.600} became {right!r:.600}"
    return None
