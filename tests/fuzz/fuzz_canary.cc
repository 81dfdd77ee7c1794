// The canary: a fault that any working fuzzer finds within a second, behind comparisons that random
// bytes do not pass. Not found, it means that the fuzz targets look at nothing.
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (!text.starts_with("BEGIN")) return 0;
    std::vector<std::uint8_t> copy(data, data + size);
    volatile std::uint8_t beyond = *(copy.data() + size);
    static_cast<void>(beyond);
    return 0;
}
