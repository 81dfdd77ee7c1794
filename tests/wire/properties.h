// Properties: what must hold of the codec for any bytes whatever. Shared by the tests that mutate
// captures and by the fuzz targets.
//
// Each function returns what is wrong, in words, or an empty text if the property holds. Reading
// outside the input is left to the sanitizers; the input should therefore be a block of its own.
#pragma once

#include <string_view>

#include "wire/client.h"

namespace quorlite::wire {

// A request that decodes, encoded and decoded again, is the same request; so is its encoding.
std::string_view check_request(const Header& header, ByteView body);

// The same of a response, and check_rows and check_files of what they hold.
std::string_view check_response(const Header& header, ByteView body,
                                const ResponseContext& context);

// A tuple that reads, encoded from its values and read again, has the same values.
std::string_view check_parameters(ByteView tuple, std::uint8_t schema);

// A batch that reads, written by RowsWriter and read again, has the same names, rows and end.
std::string_view check_rows(ByteView content);

// FilesReader, fed in pieces of `piece` bytes, sees the files that decode_response sees in the
// whole words of `bytes`.
std::string_view check_files(ByteView bytes, std::size_t piece);

// MessageReader, fed in pieces of varying size drawn from `seed`, cuts a stream as a
// straightforward loop over all of it does; bodies stay in place meanwhile; memory stays in
// proportion to what was fed.
std::string_view check_stream(ByteView stream, std::uint64_t seed);

}  // namespace quorlite::wire
