#include "engine/session/dump.h"

#include <algorithm>
#include <array>

namespace quorlite::session {

Status Dump::start(database::Store& store, std::string_view name, Output& output) {
    auto image = store.image(name);
    if (!image.ok()) {
        Error error = std::move(image).error();
        if (error.code == code::kNoDatabase) error.message = "database does not exists";
        return error;
    }
    name_ = name;
    size_ = (*image)->size();
    offset_ = 0;
    const std::string wal_name = name_ + "-wal";
    const std::array files{wire::FileSize{name_, size_}, wire::FileSize{wal_name, 0}};
    if (Status begun = wire::begin_files(files, output.tail()); !begun.ok()) return begun;
    wire::begin_file(files[0], output.tail());
    image_ = std::move(*image);
    return {};
}

Status Dump::advance(Output& output) {
    Bytes& out = output.tail();
    const std::size_t begin = out.size();
    const auto wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(size_ - offset_, limits::kResultBatchBytes));
    out.resize(begin + wanted);
    if (wanted > 0) {
        const auto read = image_->read(offset_, std::span(out).subspan(begin));
        if (!read.ok() || *read != wanted) {
            out.resize(begin);
            image_.reset();
            return read.ok() ? Error{code::kIo, "the database image is cut short"} : read.error();
        }
        offset_ += wanted;
    }
    if (offset_ == size_) {
        const std::string wal_name = name_ + "-wal";
        wire::begin_file({wal_name, 0}, out);
        image_.reset();
    }
    return {};
}

}  // namespace quorlite::session
