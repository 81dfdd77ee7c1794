// The header, then the body of a request.
#include "tests/wire/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace quorlite;
    const ByteView input(data, size);
    if (size < wire::kHeaderBytes) return 0;
    const auto header = wire::Header::parse(std::span(data, size).first<wire::kHeaderBytes>());
    return judge(wire::check_request(header, input.subspan(wire::kHeaderBytes)));
}
