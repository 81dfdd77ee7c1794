// Dump: the answer to DUMP, a database's image sent as the two files that dqlite's clients expect:
// the whole database, and an empty WAL beside it.
//
// The image is of one moment and may be larger than memory: it is read in pieces, one per move,
// while the output has room.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/database/database.h"
#include "engine/session/output.h"

namespace quorlite::session {

class Dump {
public:
    // Appends the beginning of the message; or an error, with nothing appended.
    Status start(database::Store& store, std::string_view name, Output& output);
    bool active() const { return image_ != nullptr; }

    // Appends the next piece; active() until the last. An error: the message cannot be completed,
    // and the connection has to be closed.
    Status advance(Output& output);
    void abandon() { image_.reset(); }
    std::uint64_t offset() const { return offset_; }  // grows as the client reads

private:
    std::unique_ptr<database::Image> image_;
    std::string name_;
    std::uint64_t size_ = 0;
    std::uint64_t offset_ = 0;
};

}  // namespace quorlite::session
