#!/usr/bin/env python3
"""unused.py reports what nothing calls, in each form in which it has lain about."""

import pathlib
import tempfile
import unittest

import unused

HEADER = """
class Database {
public:
    virtual ~Database() = default;
    virtual int used() const = 0;
    virtual int dead_virtual() const = 0;
    int dead_inline() const { return 1; }
};
int free_and_dead(int number);
"""
SOURCE = """
#include "engine/database.h"
class Replicated final : public Database {
public:
    int used() const override { return 1; }
    int dead_virtual() const override { return 2; }
};
int free_and_dead(int number) { return number; }
int main() { return Replicated().used(); }
"""


class Unused(unittest.TestCase):
    def test_finds_what_nothing_calls(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "engine").mkdir()
            (root / "engine/database.h").write_text(HEADER, encoding="utf-8")
            (root / "engine/main.cc").write_text(SOURCE, encoding="utf-8")
            names = {name for _, name in unused.unused(root, ["engine"])}
        self.assertEqual(names, {"dead_virtual", "dead_inline", "free_and_dead"})

    def test_knows_what_may_stay(self):
        reports = [("engine/a.cc:1", "dead"), ("drivers/include/quorlite/a.h:7", "offered"),
                   ("engine/b.cc:2", "kept")]
        found = list(unused.complaints_about(reports, {"kept": "why", "lively": "why"}))
        self.assertEqual(len(found), 2, found)
        self.assertIn("nothing calls dead()", found[0])
        self.assertIn("lively() is gone, or called", found[1])


if __name__ == "__main__":
    unittest.main()
