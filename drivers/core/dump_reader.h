// DumpReader: the files of a DUMP's answer, which are as long as the database, part by part.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/core/operation.h"
#include "wire/client.h"

namespace quorlite::core {

class DumpReader {
public:
    // What the next bytes of the answer hold: where a file begins, or a part of its content.
    Result<std::vector<Piece>> take(ByteView part);

private:
    wire::FilesReader files_;
    std::string file_;
    std::uint64_t file_bytes_ = 0;
};

}  // namespace quorlite::core
