#!/usr/bin/env python3
"""What the documents point at is there: relative links, paths of the repository, kinds of tests.

Usage: documents.py [ROOT]   prints one line for each violation and exits with 1 if there is any.

In the text of every *.md file:
  a link        [text](path#heading)   the path exists, beside the document, and has that heading
  a path        `engine/raft/raft.h`   its first folder is one of ours, so the rest exists, too
  a document    `disk-format.md`       exists beside this one or at the top
  a kind        `tests/run sim 1000`   tests/run knows it
  a test        `Flush.Crash*`         GoogleTest has it; so with the patterns of --gtest_filter=
  a mutant      mutant `VoteTwice`     engine/base/mutants.h has it
  a decision    its third line has date, status and what it replaces; the index lists it

test_documents.py breaks each of these rules once.
"""

import fnmatch
import functools
import pathlib
import re
import sys

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
KIND = re.compile(r"\btests/run ([a-z][a-z-]*)")
CASE = re.compile(r"(?:\w+/)?([A-Z]\w*\.[A-Z*][\w*]*)")
FILTER = re.compile(r"--gtest_filter='?([^\s`']+)")
DEFINED = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)")
MUTANT = re.compile(r"\bmutant `(\w+)`")
PLACEHOLDER = re.compile(r"[<>{}…*$]")
DECISION = re.compile(r"\d{4}-\d{2}-\d{2}\b.*\b([Aa]ccepted|[Rr]eplaced by \d+)\b.* Replaces: .*\.$")
SKIPPED = ("build", "run")  # folders that appear when one works


def text_of(lines):
    """(number, line) of what is not inside of a fenced block."""
    fenced = False
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchor_of(heading):
    """As GitHub and others make it: lower case, no punctuation, hyphens for spaces."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors_in(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return {anchor_of(line.lstrip("#")) for _, line in text_of(lines) if line.startswith("#")}


def check_links(root, document, lines):
    del root
    for number, line in text_of(lines):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = document.parent / name if name else document
            if not path.exists():
                yield number, f"the link to {target} leads nowhere"
            elif anchor and anchor not in anchors_in(path):
                yield number, f"{name or 'this document'} has no heading '#{anchor}'"


def looks_like_ours(word, root, document):
    if PLACEHOLDER.search(word) or word.startswith(("/", "-")):
        return False
    first, slash, _ = word.partition("/")
    if not slash:
        return bool(re.fullmatch(r"[\w-]+\.md", word))
    beside = document.parent
    return first and first not in SKIPPED and ((root / first).is_dir() or (beside / first).is_dir())


def check_paths(root, document, lines):
    for number, line in text_of(lines):
        for code in CODE.findall(line):
            for word in code.split():
                word = re.sub(r":\d[\d-]*$", "", word.rstrip(",;:"))
                if not looks_like_ours(word, root, document):
                    continue
                if not (root / word).exists() and not (document.parent / word).exists():
                    yield number, f"there is no {word}"


def kinds(root):
    script = (root / "tests/run").read_text(encoding="utf-8")
    return set(re.findall(r"^    ([a-z-]+)\)", script, re.MULTILINE))


def check_kinds(root, document, lines):
    del document
    for number, line in enumerate(lines, 1):
        for kind in KIND.findall(line):
            if kind not in kinds(root):
                yield number, f"tests/run has no kind '{kind}'"


@functools.cache
def cases(root):
    texts = (path.read_text(encoding="utf-8") for path in (root / "tests").rglob("*.cc"))
    return {".".join(found) for text in texts for found in DEFINED.findall(text)}


@functools.cache
def mutants(root):
    text = (root / "engine/base/mutants.h").read_text(encoding="utf-8")
    return set(re.findall(r"^ +X\((\w+),", text, re.MULTILINE))


def check_tests(root, document, lines):
    del document
    whole = {f"Prefix/{case}/0" for case in cases(root)}  # as a pattern meets those with parameters
    for number, line in text_of(lines):
        words = [word.rstrip(",;") for code in CODE.findall(line) for word in code.split()]
        for case in filter(None, map(CASE.fullmatch, words)):
            if not fnmatch.filter(cases(root), case[1]):
                yield number, f"there is no test {case[1]}"
        for pattern in (part for each in FILTER.findall(line) for part in each.split(":")):
            if not fnmatch.filter(cases(root) | whole, pattern):
                yield number, f"--gtest_filter={pattern} finds no test"
        for mutant in MUTANT.findall(line):
            if mutant not in mutants(root):
                yield number, f"there is no mutant {mutant}"


def check_decision(root, document, lines):
    if document.parent != root / "spec/decisions" or not re.match(r"\d{4}-", document.name):
        return
    if len(lines) < 3 or not DECISION.match(lines[2]):
        yield 3, "a decision has here: 2026-11-23. Accepted. Replaces: nothing."
    index = document.parent / "README.md"
    if not index.exists() or f"]({document.name})" not in index.read_text(encoding="utf-8"):
        yield 1, "spec/decisions/README.md does not list this decision"


RULES = [check_links, check_paths, check_kinds, check_tests, check_decision]


def complaints_about(root, document):
    lines = document.read_text(encoding="utf-8").splitlines()
    for rule in RULES:
        for number, text in rule(root, document, lines):
            yield f"{document.relative_to(root).as_posix()}:{number}: {text}"


def documents(root):
    for path in sorted(root.rglob("*.md")):
        if path.relative_to(root).parts[0] not in SKIPPED:
            yield path


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    everything = list(documents(root))
    found = [line for document in everything for line in complaints_about(root, document)]
    print("\n".join(found) if found
          else f"documents: {len(everything)} files, nothing to complain about")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
