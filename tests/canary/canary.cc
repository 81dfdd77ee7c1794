// The canary of the sanitizers: one fault of the kind that is named. A build whose sanitizer does
// not report it would not report any other.
#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>

namespace {

void overflow() {
    const std::size_t size = 16;
    const auto bytes = std::make_unique<volatile char[]>(size);
    bytes[size] = 1;
}

void undefined(int many) {
    volatile int shifted = 1 << (many + 40);
    static_cast<void>(shifted);
}

void leak() {
    for (int i = 0; i < 100; ++i) *static_cast<volatile char*>(std::malloc(1000)) = 1;
}

void race() {
    int shared = 0;
    const auto work = [&shared] {
        volatile int& seen = shared;
        for (int i = 0; i < 10000; ++i) seen = seen + 1;
    };
    std::thread other(work);
    work();
    other.join();
}

}  // namespace

int main(int count, char** values) {
    const std::string_view fault = count == 2 ? values[1] : "";
    if (fault == "overflow") overflow();
    if (fault == "undefined") undefined(count);
    if (fault == "leak") leak();
    if (fault == "race") race();
    return 0;
}
