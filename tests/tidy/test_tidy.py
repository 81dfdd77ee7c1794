#!/usr/bin/env python3
"""Each rule of tidy.py fails on what it forbids and passes what it allows."""

import unittest

import tidy


def complaints(path, text):
    return list(tidy.complaints_about(tidy.Source(path, text.splitlines())))


HEADER = "// What it is for.\n#pragma once\n"


class Rules(unittest.TestCase):
    def assert_clean(self, path, text):
        self.assertEqual(complaints(path, text), [])

    def assert_found(self, path, text, part):
        found = complaints(path, text)
        self.assertTrue(any(part in line for line in found), found)

    def test_layers(self):
        self.assert_clean("engine/raft/a.cc", '#include "engine/base/check.h"')
        self.assert_found("engine/raft/a.cc", '#include "engine/replica/replica.h"', "above it")
        self.assert_found("wire/base/a.cc", '#include "wire/client.h"', "above it")
        self.assert_found("wire/a.cc", '#include "engine/base/check.h"', "above it")
        self.assert_found("engine/raft/a.cc", '#include "tests/a.h"', "no layer")

    def test_strangers(self):
        self.assert_found("engine/database/a.cc", '#include "engine/raft/types.h"', "not know")
        self.assert_found("drivers/asio/a.cc", '#include "drivers/sync/session.h"', "not know")

    def test_fences(self):
        for path, line in [
            ("engine/replica/a.cc", "#include <asio.hpp>"),
            ("engine/session/a.cc", "#include <sqlite3.h>"),
            ("engine/disk/log.cc", "#include <libaio.h>"),
            ("engine/session/a.cc", "#include <capnp/message.h>"),
            ("engine/raft/a.cc", "    std::thread helper;"),
            ("engine/server/a.h", "    mutable std::mutex mutex_;"),
            ("engine/database/a.cc", "    std::shared_mutex mutex_;"),
            ("engine/raft/a.cc", "    auto now = std::chrono::steady_clock::now();"),
            ("engine/raft/a.cc", "    std::random_device device;"),
            ("engine/database/a.cc", "    ::pwrite(1, a, b, c);"),
            ("engine/replica/a.cc", "    ::socket(1, 2, 3);"),
            ("engine/raft/a.cc", "    assert(ready);"),
            ("engine/raft/a.cc", "    throw Lost();"),
        ]:
            self.assert_found(path, line, "banned here")
        self.assert_clean("engine/server/a.cc", "#include <asio.hpp>")
        self.assert_clean("engine/raft/a.cc", "    // never throw or assert() here")

    def test_sizes(self):
        self.assert_found("wire/a.cc", "x" * 101, "columns")
        self.assert_found("wire/a.cc", "\n" * 1501, "lines; at most")
        self.assert_clean("wire/a.cc", "x" * 100)

    def test_functions(self):
        body = "    x();\n"
        self.assert_found("wire/a.cc", "void f(int a) {\n" + body * 69 + "}", "function of 71")
        self.assert_clean("wire/a.cc", "void f(int a) {\n" + body * 68 + "}")
        self.assert_found("wire/a.h", HEADER + "    int f() const {\n" + body * 69 + "    }",
                          "function of")

    def test_import_circles(self):
        self.assertEqual(list(tidy.import_circles({"p": "import p.a", "p.a": "from p import b", "p.b": ""})), [])
        for text in ("from p import a", "from p.a import x", "import p.a", "def f():\n    import p.a"):
            found = list(tidy.import_circles({"p": "import p.a", "p.a": "import p.b", "p.b": text}))
            self.assertIn("circle: p.a, p.b", found[0])

    def test_leftovers(self):
        self.assert_found("wire/a.cc", "// TO" + "DO: later", "finish it")

    def test_header(self):
        self.assert_clean("wire/a.h", HEADER)
        self.assert_found("wire/a.h", "#pragma once", "begins with a comment")
        self.assert_found("wire/a.h", "// What it is for.", "no #pragma once")


if __name__ == "__main__":
    unittest.main()
