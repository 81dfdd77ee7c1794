// The header, then the body of a response.
#include "tests/wire/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace quorlite;
    const ByteView input(data, size);
    if (size < wire::kHeaderBytes) return 0;
    const auto header = wire::Header::parse(std::span(data, size).first<wire::kHeaderBytes>());
    // The field that receivers ignore chooses the context.
    const wire::ResponseContext context{
        .servers = static_cast<wire::ServersFormat>(header.extra & 1),
        .legacy = (header.extra & 2) != 0,
    };
    return judge(wire::check_response(header, input.subspan(wire::kHeaderBytes), context));
}
