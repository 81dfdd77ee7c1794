#include "drivers/core/dump_reader.h"

namespace quorlite::core {

Result<std::vector<Piece>> DumpReader::take(ByteView part) {
    using wire::FilesReader;
    std::vector<Piece> pieces;
    while (true) {
        const auto event = files_.next(part);
        if (!event) return event.error();
        if (const auto* const begins = std::get_if<FilesReader::FileBegins>(&*event)) {
            file_ = begins->name;
            file_bytes_ = begins->size;
            pieces.push_back(Piece{{}, file_, file_bytes_});
        } else if (const auto* const content = std::get_if<FilesReader::FileContent>(&*event)) {
            Bytes bytes(content->bytes.begin(), content->bytes.end());
            pieces.push_back(Piece{std::move(bytes), file_, file_bytes_});
        } else {
            return pieces;
        }
    }
}

}  // namespace quorlite::core
