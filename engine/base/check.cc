#include "engine/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace quorlite {
namespace {

FatalHandler fatal_handler = nullptr;

}  // namespace

void check_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
    std::abort();
}

void fatal(std::string_view what) {
    if (fatal_handler != nullptr) fatal_handler(what);
    std::fprintf(stderr, "fatal: %.*s\n", static_cast<int>(what.size()), what.data());
    std::_Exit(70);
}

void set_fatal_handler(FatalHandler handler) {
    fatal_handler = handler;
}

}  // namespace quorlite
