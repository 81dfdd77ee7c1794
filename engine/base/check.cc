#include "engine/base/check.h"

#include <cstdlib>
#include <string>

#include "engine/base/line.h"

namespace quorlite {
namespace {

FatalHandler fatal_handler = nullptr;

}  // namespace

void check_failed(const char* condition, const char* file, int line) {
    print_line(std::string(file) + ':' + std::to_string(line) + ": check failed: " + condition);
    std::abort();
}

void fatal(std::string_view what) {
    if (fatal_handler != nullptr) fatal_handler(what);
    print_line("fatal: " + std::string(what));
    std::_Exit(70);
}

void set_fatal_handler(FatalHandler handler) {
    fatal_handler = handler;
}

}  // namespace quorlite
