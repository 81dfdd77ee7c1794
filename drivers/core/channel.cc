#include "drivers/core/channel.h"

#include "drivers/core/limits.h"

namespace quorlite::core {

Channel::Channel(std::string address)
    : address_(std::move(address)), in_(limits::kMessageBytesMax) {
    ByteWriter(out_).u64(wire::kProtocolVersion);
    asked_ = out_.size();
}

Result<std::uint64_t> Channel::append(const wire::Request& request) {
    const std::size_t before = out_.size();
    const Status encoded = wire::encode(request, out_);
    if (!encoded) return encoded.error();
    const std::size_t size = out_.size() - before - wire::kHeaderBytes;
    if (size > limits::kRequestBytesMax) {
        out_.resize(before);
        return Error{code::kTooBig, "a statement and its values have " + std::to_string(size) +
                                        " bytes, and nodes take no more than " +
                                        std::to_string(limits::kRequestBytesMax)};
    }
    asked_ += out_.size() - before;
    return asked_;
}

void Channel::consumed(std::size_t bytes) {
    taken_ += bytes;
    sent_ += bytes;
    if (taken_ == out_.size()) {
        out_.clear();
        taken_ = 0;
        if (out_.capacity() > limits::kOutputKeptBytes) out_.shrink_to_fit();
    } else if (taken_ > out_.size() / 2) {
        out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(taken_));
        taken_ = 0;
    }
}

}  // namespace quorlite::core
