#!/usr/bin/env python3
"""House rules that no compiler checks: layers, seams, sizes, format, what is generated.

Usage: tidy.py [ROOT]   prints one line for each violation and exits with 1 if there is any.

Each rule is a function from a source file to complaints; test_tidy.py breaks each of them once.
"""

import ast
import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass

LINE_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 1500

# Bottom to top. A file may include its own layer and those before it, never one after it.
LAYERS = [
    "wire/base",
    "wire",
    "engine/base",
    "engine/raft",
    "engine/disk",
    "engine/database",
    "engine/replica",
    "engine/session",
    "engine/cluster",
    "engine/include",
    "engine/server",
    "drivers/include",
    "drivers/core",
    "drivers/sync",
    "drivers/asio",
    "drivers/shell/bench",
    "drivers/shell",
    "drivers/examples",
]

# Layers that look like neighbours but must not know each other.
STRANGERS = {
    "engine/database": {"engine/raft", "engine/disk"},
    # The drivers know the protocol and nothing else of what a server is made of.
    "drivers/include": {"wire", "wire/base"},
    **{layer: {"engine/base", "engine/raft", "engine/disk", "engine/database", "engine/replica",
               "engine/session", "engine/cluster", "engine/include", "engine/server"}
       for layer in ("drivers/core", "drivers/sync", "drivers/asio", "drivers/shell/bench",
                     "drivers/shell")},
}
STRANGERS["drivers/asio"].add("drivers/sync")  # two front ends of one core

# A header or call, the only places that may have it, and what to use instead.
FENCES = [
    (r"#include <asio", r"(engine/server|drivers/(asio|examples)|python|tests)/|drivers/include/quorlite/asio\.h",
     "the seams"),
    (r"#include <sqlite3\.h>", r"(engine/database|python|tests)/", "engine/database"),
    (r"#include <libaio\.h>", r"engine/disk/libaio\.cc", "the Disk seam"),
    (r"#include <(capnp|kj)/", r"(wire|engine/replica)/peer", "engine/replica/peer_codec.h"),
    (r"std::(thread|jthread|async)\b(?!::id)", r"(engine/server|python|tests)/|drivers/sync/resolver\.cc", "Executor"),
    (r"std::(\w+_)?mutex\b", r"wire/base/mutex\.h|(python|tests)/", "wire/base/mutex.h"),
    (r"std::chrono::(system|steady|high_resolution)_clock", r"(engine/server|drivers|python|tests)/",
     "Clock"),
    (r"_clock::now\(", r"(engine/server|drivers/(sync|asio|shell|examples)|python|tests)/",
     "a time handed in"),
    (r"\bstd::random_device|\brand\(\)|\bgetrandom\(",
     r"(engine/server|drivers/(sync|asio)|tests)/", "Random, or a seed handed in"),
    (r"(?<![\w>:])::(open|openat|pwrite|pread|fsync|fdatasync|unlink|rename)\(",
     r"(engine/disk|engine/server|drivers|tests)/", "Disk"),
    (r"(?<![\w>:])::(socket|connect|accept|bind|listen|send|recv)\(",
     r"(engine/server|drivers/(sync|shell/bench)|tests)/", "Network"),
    (r"(?<![\w_])assert\(", r"tests/", "QUORLITE_CHECK, which stays on"),
    (r"(?<![\w_])throw ", r"(drivers|python|tests|engine/server|engine/include)/", "Result"),
]

LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
INCLUDE = re.compile(r'#include "([^"]+)"')


@dataclass
class Source:
    path: str
    lines: list[str]

    @property
    def layer(self):
        folder = self.path.rsplit("/", 1)[0]
        matches = [layer for layer in LAYERS if (folder + "/").startswith(layer + "/")]
        return max(matches, key=len, default=None)


def code_of(line):
    """The line without its comment and without the contents of string literals."""
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line) if not line.startswith("#include") else line
    return line.split("//", 1)[0]


def check_layers(source):
    if source.layer is None:
        return
    own = LAYERS.index(source.layer)
    for number, line in enumerate(source.lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        other = Source(match.group(1), []).layer
        if other is None:
            if not match.group(1).startswith(("quorlite/",)):
                yield number, f"{match.group(1)} is in no layer that {source.layer} may include"
        elif LAYERS.index(other) > own:
            yield number, f"{source.layer} includes {other}, which is above it"
        elif other in STRANGERS.get(source.layer, set()):
            yield number, f"{source.layer} must not know {other}"


def check_fences(source):
    for number, line in enumerate(source.lines, 1):
        code = code_of(line)
        for pattern, allowed, instead in FENCES:
            if re.search(pattern, code) and not re.match(allowed, source.path):
                yield number, f"'{code.strip()}' is banned here: use {instead}"


def check_sizes(source):
    if len(source.lines) > FILE_LINES_MAX:
        yield 1, f"{len(source.lines)} lines; at most {FILE_LINES_MAX}"
    for number, line in enumerate(source.lines, 1):
        if len(line) > LINE_MAX:
            yield number, f"{len(line)} columns; at most {LINE_MAX}"


def check_functions(source):
    """A function's body starts at a line that ends in '{' and ends at the '}' of the same indent."""
    start = None
    for number, line in enumerate(source.lines, 1):
        opens = re.match(r"^( {0,4})\S.*\)( const)?( noexcept)?( override)?( ->.*)?( :.*)? \{$", line)
        if start is None and opens and not re.match(r"\s*(namespace|if|for|while|switch)\b", line):
            start = (number, opens.group(1))
        elif start and line == start[1] + "}":
            length = number - start[0] + 1
            if length > FUNCTION_LINES_MAX:
                yield start[0], f"a function of {length} lines; at most {FUNCTION_LINES_MAX}"
            start = None


def check_leftovers(source):
    for number, line in enumerate(source.lines, 1):
        if LEFTOVERS.search(line):
            yield number, "finish it, or open an issue"


def check_header(source):
    if not source.path.endswith(".h"):
        return
    if not source.lines or not source.lines[0].startswith("//"):
        yield 1, "a header begins with a comment: what it solves, its contract, its units"
    if "#pragma once" not in source.lines:
        yield 1, "no #pragma once"


RULES = [check_layers, check_fences, check_sizes, check_functions, check_leftovers, check_header]


def complaints_about(source):
    for rule in RULES:
        for number, text in rule(source):
            yield f"{source.path}:{number}: {text}"


def sources(root):
    for folder in ("wire", "engine", "drivers", "python", "tests"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc", ".c"):
                name = path.relative_to(root).as_posix()
                yield Source(name, path.read_text(encoding="utf-8").splitlines())


def check_format(root, paths):
    """clang-format's verdict, where it is installed."""
    command = ["clang-format-19", "--dry-run", "--Werror", *paths]
    try:
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ["clang-format-19 is missing: run tests/setup test"]
    return [line for line in result.stderr.splitlines() if "error:" in line]


def imports_of(module, text, modules):
    """The modules of the package that a module imports anywhere: in functions and for types, too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{name.name}" for name in node.names]
            names = [name if name in modules else node.module for name in inner]
        else:
            continue
        yield from (name for name in names if name in modules and name != module)


def import_circles(texts):
    """Complaints about modules, name to text, that import each other in a circle."""
    edges = {name: set(imports_of(name, text, texts)) for name, text in texts.items()}
    # What imports nothing that is left, or is imported by nothing that is left, is in no circle.
    while True:
        imported = set().union(*edges.values())
        outside = {name for name, others in edges.items() if not others or name not in imported}
        if not outside:
            break
        edges = {name: others - outside for name, others in edges.items() if name not in outside}
        if not edges:
            return
    yield f"modules import each other in a circle: {', '.join(sorted(edges))}"


def check_python(root):
    package = root / "python/src"
    texts = {}
    for path in [*package.rglob("*.py"), *package.rglob("*.pyi")]:
        name = path.relative_to(package).with_suffix("").as_posix().replace("/", ".")
        texts[name.removesuffix(".__init__")] = path.read_text(encoding="utf-8")
    return import_circles(texts)


def check_generated(root):
    """What is made of the tables in spec/ is current."""
    command = [sys.executable, "spec/generate.py", "--check"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return result.stdout.splitlines() if result.returncode in (0, 1) else [result.stderr]


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    everything = list(sources(root))
    found = [line for source in everything for line in complaints_about(source)]
    found += check_format(root, [source.path for source in everything])
    found += check_generated(root)
    found += check_python(root)
    print("\n".join(found) if found else f"tidy: {len(everything)} files, nothing to complain about")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
