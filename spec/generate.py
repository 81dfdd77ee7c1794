#!/usr/bin/env python3
"""Writes what is made of errors.json and sql.json, each the one home of a table, for each language.

Usage: generate.py [--check]   with --check nothing is written: exits with 1 if a file is not current.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = json.loads((ROOT / "spec/errors.json").read_text(encoding="utf-8"))
MEANINGS = TABLE["meanings"]
ERRORS = TABLE["errors"]
SQL = json.loads((ROOT / "spec/sql.json").read_text(encoding="utf-8"))
BY_CODE = {error["code"]: error for error in ERRORS if "if_text" not in error}

MADE_BY = "Made by spec/generate.py from spec/errors.json: change it there."
SQL_MADE_BY = "Made by spec/generate.py from spec/sql.json: change it there."


def lower_camel(name):
    first, _, rest = name.partition("_")
    return first + camel(rest)


def camel(name):
    return "".join(word.capitalize() for word in name.split("_"))


def constants():
    return [(error["constant"], error["code"]) for error in ERRORS if "constant" in error]


def told_apart():
    """The rows that a client needs: those that mean something else than their primary code."""
    for error in ERRORS:
        primary = BY_CODE.get(error["code"] & 0xFF, {"meaning": "refused"})
        if "if_text" in error or error is primary and error["meaning"] != "refused":
            yield error
        elif error["meaning"] != primary["meaning"]:
            yield error


def cpp():
    yield "// The codes of errors, what they mean for the work, and the texts that go with them."
    yield "//"
    yield f"// {MADE_BY}"
    yield "#pragma once"
    yield ""
    yield "#include <cstdint>"
    yield "#include <string_view>"
    yield ""
    yield "namespace quorlite {"
    yield ""
    yield "namespace code {"
    for name, code in constants():
        yield f"inline constexpr int k{name} = {code};"
    yield "}  // namespace code"
    yield ""
    yield "enum class ErrorMeaning : std::uint8_t {"
    for meaning in MEANINGS:
        yield f"    // {meaning['says']}"
        yield f"    k{camel(meaning['name'])},"
    yield "};"
    yield ""
    yield "// A code that means something else than its primary code, or does so with this text only."
    yield "struct ErrorRow {"
    yield "    int code;"
    yield "    std::string_view if_text;"
    yield "    ErrorMeaning meaning;"
    yield "};"
    yield ""
    yield "inline constexpr ErrorRow kErrorRows[] = {"
    for error in told_apart():
        text = error.get("if_text", "")
        yield f'    {{{error["code"]}, "{text}", ErrorMeaning::k{camel(error["meaning"])}}},'
    yield "};"
    yield ""
    yield "// What Quorlite itself says with a code, if there is nothing better to say."
    yield "namespace text {"
    for error in ERRORS:
        if "text" in error:
            yield f'inline constexpr const char* k{error["constant"]} = "{error["text"]}";'
    yield "}  // namespace text"
    yield ""
    yield "}  // namespace quorlite"


def go_name(name):
    return "IO" if name == "Io" else name


def go_codes():
    yield "package quorlite"
    yield ""
    yield f"// {MADE_BY}"
    yield ""
    yield "// Result codes that programs ask for. Every code that is not listed is one of SQLite's."
    yield "const ("
    named = [("Code" + go_name(name), code) for name, code in constants()]
    width = max(len(name) for name, _ in named)
    for name, code in named:
        yield f"\t{name:{width}} = {code}"
    yield ")"


def go_rules():
    yield "package rules"
    yield ""
    yield f"// {MADE_BY}"
    yield ""
    yield "// meaning is what a failure means for the work."
    yield "type meaning uint8"
    yield ""
    yield "const ("
    for number, meaning in enumerate(MEANINGS):
        kind = " meaning = iota" if number == 0 else ""
        yield f"\t// {meaning['says']}"
        yield f"\t{lower_camel(meaning['name'])}{kind}"
    yield ")"
    yield ""
    yield "// failureRow is a code that means something else than its primary code, or does so with this text"
    yield "// only."
    yield "type failureRow struct {"
    yield "\tcode    uint64"
    yield "\tifText  string"
    yield "\tmeaning meaning"
    yield "}"
    yield ""
    yield "var failureRows = [...]failureRow{"
    for error in told_apart():
        name = lower_camel(error["meaning"])
        yield f'\t{{{error["code"]}, "{error.get("if_text", "")}", {name}}},'
    yield "}"


def python():
    yield f'"""The codes of errors, and their names. {MADE_BY}"""'
    yield ""
    names = {BY_CODE[code]["name"]: code for code in sorted(BY_CODE, reverse=True)}  # the lower of two by one name
    for name, code in reversed(names.items()):
        yield f"{name} = {code}"
    yield ""
    yield "_NAMES = {"
    for code in sorted(BY_CODE):
        yield f'    {code}: "{BY_CODE[code]["name"]}",'
    yield "}"


SQL_LISTS = [
    ("reading_verbs", "Statements that begin with one of these only read."),
    ("reading_pragmas", "Pragmas that only read, if they are given no value."),
    ("reading_pragmas_of_something", "Pragmas whose value is only what they tell about."),
]


def sql_cpp():
    yield "// Which statements surely only read. All words in lower case."
    yield "//"
    yield f"// {SQL_MADE_BY}"
    yield "#pragma once"
    yield ""
    yield "#include <string_view>"
    yield ""
    yield "namespace quorlite::core {"
    yield "// clang-format off"
    for name, says in SQL_LISTS:
        yield ""
        yield f"// {says}"
        yield f"inline constexpr std::string_view k{camel(name)}[] = {{"
        yield from (f'    "{word}",' for word in SQL[name])
        yield "};"
    yield ""
    yield "// clang-format on"
    yield "}  // namespace quorlite::core"


def sql_go():
    yield "package sqltext"
    yield ""
    yield f"// {SQL_MADE_BY}"
    for name, says in SQL_LISTS:
        yield ""
        yield f"// {says}"
        yield f"var {lower_camel(name)} = set("
        yield from (f'\t"{word}",' for word in SQL[name])
        yield ")"


def tables():
    yield "| meaning | kind | verdict | again | |"
    yield "| --- | --- | --- | --- | --- |"
    for meaning in MEANINGS:
        yield (f"| `{meaning['name']}` | {meaning['kind'].lower()} | {meaning['verdict']} | {meaning['retry']} "
               f"| {meaning['says']} |")
    yield ""
    yield "| code | name | meaning | text | what to do |"
    yield "| ---: | --- | --- | --- | --- |"
    for error in ERRORS:
        text = error.get("if_text")
        said = f"`{error['text']}`" if "text" in error else f"only `{text}`" if text else ""
        yield (f"| {error['code']} | {error['name']} | `{error['meaning']}` | {said} "
               f"| {error.get('remedy', '')} |")


BEGIN, END = "<!-- generate.py begins -->", "<!-- generate.py ends -->"


def documented():
    text = (ROOT / "spec/errors.md").read_text(encoding="utf-8")
    made = BEGIN + "\n" + "\n".join(tables()) + "\n" + END
    return re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: made, text, flags=re.DOTALL)


def files():
    for path, lines in [
        ("wire/base/error_codes.h", cpp()),
        ("go-client/codes.go", go_codes()),
        ("go-client/internal/rules/codes.go", go_rules()),
        ("python/src/quorlite/_codes.py", python()),
        ("drivers/core/sql_tables.h", sql_cpp()),
        ("go-client/internal/sqltext/tables.go", sql_go()),
    ]:
        yield ROOT / path, "\n".join(lines) + "\n"
    yield ROOT / "spec/errors.md", documented()


def main():
    stale = [(path, text) for path, text in files()
             if not path.exists() or path.read_text(encoding="utf-8") != text]
    check = "--check" in sys.argv[1:]
    for path, text in stale:
        print(f"{path.relative_to(ROOT)} is not what spec/*.json say: run spec/generate.py" if check
              else f"wrote {path.relative_to(ROOT)}")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
