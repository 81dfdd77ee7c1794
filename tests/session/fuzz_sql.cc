// SQL by grammar: a session of a live node answers as the SQLite library does, and so does its
// database in the end.
#include <cstdio>
#include <cstdlib>

#include "tests/session/differential.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4096) return 0;
    if (const auto found = quorlite::test::difference({data, size})) {
        std::fprintf(stderr, "%s", found->c_str());
        std::abort();
    }
    return 0;
}
