#!/usr/bin/env python3
"""Each rule of documents.py fails on what leads nowhere and passes what is there."""

import pathlib
import tempfile
import unittest

import documents

FILES = {
    "README.md": "# Top\n",
    "engine/raft/raft.h": "",
    "engine/base/mutants.h": '    X(VoteTwice, "core", "a voter forgets")  \\\n',
    "tests/raft/vote_test.cc": "TEST_F(VoteTest, IsGivenOnce) {\n}\nTEST_P(\n    Votes, Travel) {\n}\n",
    "spec/other.md": "# Other\n\n## What it is for (all of it)\n",
    "spec/decisions/0001-first.md": "# 1. First\n",
    "tests/run": 'case "$1" in\n    sim)        # simulated\n    python-bench)\nesac\n',
}


class Rules(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name, text in FILES.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def complaints(self, text, name="spec/document.md"):
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        return list(documents.complaints_about(self.root, path))

    def assert_clean(self, text):
        self.assertEqual(self.complaints(text), [])

    def assert_found(self, text, part):
        found = self.complaints(text)
        self.assertTrue(any(part in line for line in found), found)

    def test_links(self):
        self.assert_clean("[a](other.md) [b](../README.md) [c](decisions/) [d](https://example.org/x)")
        self.assert_found("see [a](gone.md)", "leads nowhere")
        self.assert_found("see [a](README.md)", "leads nowhere")  # it is beside another folder

    def test_headings(self):
        self.assert_clean("# Mine\n[a](other.md#what-it-is-for-all-of-it) [b](#mine)")
        self.assert_found("[a](other.md#what-it-was)", "no heading '#what-it-was'")
        self.assert_found("[b](#mine)", "this document has no heading")

    def test_paths(self):
        self.assert_clean("`engine/raft/raft.h`, `engine/raft/`, `raft/raft.h`, `spec/other.md:12`")
        self.assert_clean("`decisions/0001-first.md`, `other.md`, `engine/<module>/*.h`, `build/release`")
        self.assert_found("`engine/raft/gone.h`", "there is no engine/raft/gone.h")
        self.assert_found("`tests/run sim engine/gone`", "there is no engine/gone")
        self.assert_found("`gone.md`", "there is no gone.md")

    def test_fenced_blocks_are_no_text(self):
        self.assert_clean("```\n[a](gone.md) `engine/gone.h`\n```\n")
        self.assert_found("```\n```\n`engine/gone.h`", "there is no engine/gone.h")

    def test_kinds(self):
        self.assert_clean("`tests/run sim 1000`, `tests/run python-bench`")
        self.assert_found("```\ntests/run simulation\n```", "no kind 'simulation'")

    def test_tests(self):
        self.assert_clean("`VoteTest.IsGivenOnce`, `All/Votes.Tra*`, `VoteTest.*`")
        self.assert_clean("`raft_test --gtest_filter=*Once:Prefix/Votes.*`")
        self.assert_found("`VoteTest.IsGivenTwice`", "there is no test VoteTest.IsGivenTwice")
        self.assert_found("`raft_test --gtest_filter=*Once:*Twice`", "*Twice finds no test")

    def test_mutants(self):
        self.assert_clean("mutant `VoteTwice`")
        self.assert_found("seed 5, mutant `VoteThrice`", "there is no mutant VoteThrice")

    def test_decisions(self):
        def decision(line, index="[1](0001-first.md)"):
            (self.root / "spec/decisions/README.md").write_text(index, encoding="utf-8")
            return self.complaints(f"# 1. First\n\n{line}\n", "spec/decisions/0001-first.md")

        self.assertEqual(decision("2026-11-23. Accepted. Replaces: nothing."), [])
        self.assertEqual(decision("2026-11-23. Replaced by 2. Replaces: nothing."), [])
        for line in ("", "**Context.** It was so.", "2026-11-23. Accepted.", "Accepted. Replaces: 3."):
            self.assertIn("a decision has here", " ".join(decision(line)))
        found = decision("2026-11-23. Accepted. Replaces: nothing.", index="# Decisions")
        self.assertIn("does not list", " ".join(found))

    def test_all_documents_are_read(self):
        (self.root / "build").mkdir()
        (self.root / "build/copy.md").write_text("# Copy\n", encoding="utf-8")
        names = {path.relative_to(self.root).as_posix() for path in documents.documents(self.root)}
        self.assertEqual(names, {"README.md", "spec/other.md", "spec/decisions/0001-first.md"})


if __name__ == "__main__":
    unittest.main()
