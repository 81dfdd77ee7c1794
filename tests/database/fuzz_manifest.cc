#include <cstdio>
#include <cstdlib>

#include "tests/database/properties.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view problem = quorlite::database::check_manifest({data, size});
    if (problem.empty()) return 0;
    std::fprintf(stderr, "%.*s\n", static_cast<int>(problem.size()), problem.data());
    std::abort();
}
