// A manifest as it stands on disk; unless the first byte is 0, magic word, length and checksum are
// made right first, so that what comes behind them is looked at.
#include <cstdio>
#include <cstdlib>

#include "engine/database/manifest.h"
#include "tests/database/properties.h"
#include "wire/base/crc32c.h"

namespace {

using namespace quorlite;

// Where they stand, as encode_manifest() writes them.
constexpr std::size_t kChecksumAt = 8;
constexpr std::size_t kCheckedFrom = 12;
constexpr std::size_t kLengthAt = 16;
constexpr std::size_t kBodyFrom = 24;

Bytes repaired(ByteView body) {
    Bytes bytes = database::encode_manifest({}, 0);
    bytes.resize(kBodyFrom);
    bytes.insert(bytes.end(), body.begin(), body.end());
    store_little(bytes.data() + kLengthAt, std::uint64_t{body.size()});
    store_little(bytes.data() + kChecksumAt, crc32c(ByteView(bytes).subspan(kCheckedFrom)));
    return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const ByteView input = ByteView(data, size).subspan(1);
    const std::string_view problem =
        data[0] == 0 ? database::check_manifest(input) : database::check_manifest(repaired(input));
    if (problem.empty()) return 0;
    std::fprintf(stderr, "%.*s\n", static_cast<int>(problem.size()), problem.data());
    std::abort();
}
