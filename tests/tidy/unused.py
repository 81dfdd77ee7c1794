#!/usr/bin/env python3
"""Functions that nothing in the products calls, as cppcheck finds them, by their names.

Usage: unused.py [ROOT]   prints one line for each and exits with 1 if there is any.

Tests don't count as callers. A name that is also used for something else hides a dead function;
what is reported is dead, or belongs below.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

FOLDERS = ("wire", "engine", "drivers", "python")
PUBLIC = re.compile(r"(engine|drivers)/include/")  # whoever uses the libraries calls what is there

# Why a function stays that no product calls, or that cppcheck does not see called.
ALLOWED = {
    "applied_index": "tests ask a store how far it is",
    "checksum": "tests and the simulator compare replicas by it",
    "decode_request_as": "called through a table of pointers",
    "flush_": "spdlog calls it",
    "guarded": "a template that tables of functions point at",
    "identical": "tests compare values by it",
    "open_count": "tests look at the limit of the pool",
    "set_fatal_handler": "tests survive a fatal error with it",
    "sink_it_": "spdlog calls it",
    "sqlite_memory_bytes": "tests measure with it",
    "vote_barrier": "tests and the simulator look at who may vote",
}

REPORT = re.compile(r"^(?P<place>[^:]+:\d+).*The function '(?P<name>\w+)' is never used")


def unused(root, folders):
    """Pairs of place and name, as cppcheck reports them."""
    files = sorted(path.relative_to(root).as_posix() for folder in folders
                   for path in (root / folder).rglob("*") if path.suffix in (".h", ".cc"))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(files))
        listed.flush()
        command = ["cppcheck", "--enable=unusedFunction", "--std=c++20", "--language=c++",
                   "--max-configs=1", "--quiet", "-I.", f"--file-list={listed.name}"]
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return [(match["place"], match["name"])
            for match in map(REPORT.match, result.stderr.splitlines()) if match]


def complaints_about(reports, allowed):
    found = [(place, name) for place, name in reports if not PUBLIC.match(place)]
    for place, name in found:
        if name not in allowed:
            yield f"{place}: nothing calls {name}(): remove it, or say in unused.py why it stays"
    for name in sorted(allowed.keys() - {name for _, name in found}):
        yield f"unused.py: {name}() is gone, or called: strike it off the list"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    try:
        found = list(complaints_about(unused(root, FOLDERS), ALLOWED))
    except FileNotFoundError:
        found = ["cppcheck is missing: run tests/setup test"]
    print("\n".join(found) if found else "unused: every function is called, or has a reason")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
