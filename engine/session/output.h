// Output: the bytes that wait for a client's socket.
//
// What view() showed stays where it is until consumed() took all of it, so the owner may hand it to
// an asynchronous write while answers go on being appended: those go to a second buffer meanwhile.
#pragma once

#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "wire/client.h"

namespace quorlite::session {

// Gives memory back that was needed once and is not needed now, so that idle sessions stay small.
inline void shrink(Bytes& buffer) {
    if (buffer.empty() && buffer.capacity() > limits::kSessionIdleBufferBytes) Bytes().swap(buffer);
}

class Output {
public:
    ByteView view() const {
        lent_ = lent_ || !front_.empty();
        return ByteView(front_).subspan(sent_);
    }

    void consumed(std::size_t bytes) {
        QUORLITE_CHECK(bytes <= front_.size() - sent_);
        sent_ += bytes;
        if (sent_ < front_.size()) return;
        front_.clear();
        sent_ = 0;
        lent_ = false;
        front_.swap(back_);
    }

    std::size_t size() const { return front_.size() - sent_ + back_.size(); }
    std::size_t memory_bytes() const { return front_.capacity() + back_.capacity(); }
    bool has_room() const { return size() < limits::kSessionOutputBytesMax; }

    // Where the next bytes go. Valid until any other call.
    Bytes& tail() { return lent_ ? back_ : front_; }
    void answer(const wire::Response& response) { wire::encode(response, tail()); }

    // Takes the bytes of `batch` and leaves it empty; memory changes hands where that saves a copy.
    void take(Bytes& batch) {
        Bytes& to = tail();
        if (to.empty()) {
            to.swap(batch);
        } else {
            to.insert(to.end(), batch.begin(), batch.end());
        }
        batch.clear();
    }

    void clear() {
        front_.clear();
        back_.clear();
        sent_ = 0;
        lent_ = false;
    }

    void shrink_idle() {
        shrink(front_);
        shrink(back_);
    }

private:
    Bytes front_;
    Bytes back_;
    std::size_t sent_ = 0;       // of front_
    mutable bool lent_ = false;  // somebody may hold a view of front_
};

}  // namespace quorlite::session
