#include "tests/database/properties.h"

#include "engine/database/command.h"
#include "engine/database/manifest.h"
#include "engine/database/pages.h"

namespace quorlite::database {
namespace {

bool apply(PageStore& pages, ByteView bytes, const CommandHeader& header) {
    pages.resize(header.floor, header.page_count);
    return patch_pages(pages, bytes).ok();
}

}  // namespace

std::string_view check_command(ByteView bytes) {
    const auto header = validate_command(bytes);
    if (!header) return {};
    if (header->database.empty() || header->database.size() > kDatabaseNameBytesMax) return "name";
    PageStore pages{Base{}};
    if (!apply(pages, bytes, *header)) return "a valid command was refused";
    const PageSet once = pages.share();
    if (!apply(pages, bytes, *header)) return "a valid command was refused the second time";
    const PageSet twice = pages.share();
    for (const auto& [number, image] : once.active.pages) {
        std::array<std::uint8_t, kPageSize> a;
        std::array<std::uint8_t, kPageSize> b;
        if (!once.read(number, a) || !twice.read(number, b)) return "a page cannot be read";
        if (a != b) return "applying twice is not applying once";
    }
    return {};
}

std::string_view check_manifest(ByteView bytes) {
    std::uint64_t sequence = 0;
    const auto manifest = decode_manifest(bytes, &sequence);
    if (!manifest) return {};
    const Bytes again = encode_manifest(*manifest, sequence);
    if (again.size() > bytes.size()) return "a manifest grew";
    if (!std::equal(again.begin(), again.end(), bytes.begin())) return "a manifest changed";
    return {};
}

}  // namespace quorlite::database
