"""What must not compile as an argument of a statement, and what the compiler has to say instead.

Usage: refused_arguments.py COMPILER INCLUDE_FOLDER"""

import subprocess
import sys
import unittest

POINTER, CHARACTER, DURATION = "a pointer is no value", "a single character", "a duration has no unit"
SCOPED, REAL, MEANING = "an enum class has no number", "real numbers are doubles", "no plain meaning in SQL"
REFUSED = [
    ("int* p = nullptr;", "p", POINTER),
    ("const void* p = nullptr;", "p", POINTER),
    ("const unsigned char* p = nullptr;", "p", POINTER),
    ("std::byte* p = nullptr;", "p", POINTER),
    ("const wchar_t* p = L\"a\";", "p", POINTER),
    ("", "u\"a\"", POINTER),
    ("int numbers[3] = {};", "numbers", POINTER),
    ("std::string text; auto* p = &text;", "p", POINTER),
    ("void call();", "call", POINTER),
    ("void call();", "&call", POINTER),
    ("auto lambda = [] {};", "lambda", MEANING),
    ("struct S { int m; };", "&S::m", POINTER),
    ("", "'a'", CHARACTER),
    ("", "L'a'", CHARACTER),
    ("", "u8'a'", CHARACTER),
    ("", "U'a'", CHARACTER),
    ("enum class E { a };", "E::a", SCOPED),
    ("", "std::byte{1}", SCOPED),
    ("", "1.0L", REAL),
    ("", "std::chrono::seconds(1)", DURATION),
    ("", "std::chrono::steady_clock::now()", MEANING),
    ("std::chrono::sys_time<std::chrono::duration<double>> t;", "t", "to the nanosecond"),
    ("", "std::chrono::January", MEANING),
    ("std::atomic<int> number;", "number", MEANING),
    ("int number = 1;", "std::ref(number)", MEANING),
    ("", "std::true_type()", MEANING),
    ("struct Handle { operator bool() const { return true; } };", "Handle()", MEANING),
    ("struct Count { operator unsigned long() const { return 5; } };", "Count()", MEANING),
    ("auto p = std::make_shared<int>(1);", "p", MEANING),
    ("std::vector<int> v;", "v", MEANING),
    ("std::vector<char> v;", "v", MEANING),
    ("std::filesystem::path p;", "p", MEANING),
    ("std::variant<int, bool> v;", "v", MEANING),
    ("std::optional<long*> p;", "p", POINTER),
]
HEADERS = "atomic chrono filesystem functional memory optional string variant vector".split()


class RefusedArguments(unittest.TestCase):
    def errors(self, cases):
        """The compiler's errors for functions that each bind one argument, each of a type of its own."""
        program = [f"#include <{header}>" for header in HEADERS] + ["#include <quorlite/value.h>"]
        for before, argument, _ in cases:
            program.append(f"namespace {{ [[maybe_unused]] auto test{len(program)} = [] {{ {before} "
                           f"return quorlite::argument(({argument})).fits(); }}; }}")
        limit = "-ferror-limit=0" if "clang" in sys.argv[1] else "-fmax-errors=0"
        command = [sys.argv[1], "-std=c++20", limit, "-fsyntax-only", "-I", sys.argv[2],
                   "-x", "c++", "-"]
        done = subprocess.run(command, input="\n".join(program), capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode == 0, "error:" not in done.stderr)
        return [line for line in done.stderr.split("\n") if "error:" in line]

    def test_what_is_meant_to_compile_does(self):
        self.assertEqual(self.errors([("", "std::size_t{5}", "")]), [])

    def test_the_compiler_says_what_to_bind(self):
        errors = self.errors(REFUSED)
        for words in {words for _, _, words in REFUSED}:
            wanted = [case for case in REFUSED if case[2] == words]
            said = [line for line in errors if "assert" in line and words in line]
            self.assertEqual(len(said), len(wanted), f"{words}: {said}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
