#include "engine/server/link_rules.h"

#include <algorithm>

#include "engine/base/mutants.h"

namespace quorlite::server {
namespace {

constexpr Duration kPauseMax = std::chrono::seconds(10);  // between replacements
// Frames further apart than so many times of patience belong to different conversations. Candidates
// ask again every one or two election timeouts.
constexpr int kConversationPatiences = 8;
// What is sent so soon after something was heard is taken for the answer to it, which has none.
constexpr int kAnswersPerPatience = 4;

constexpr Duration kPatienceMin = std::chrono::milliseconds(100);
constexpr Duration kPatienceMax = std::chrono::seconds(3);
// A node that hears nobody asks for votes after two election timeouts at the most; by a slow clock.
constexpr int kSilentTimeouts = 4;
constexpr Duration kProcessSilenceMax = std::chrono::seconds(10);

constexpr Duration kFrameStallMax = std::chrono::seconds(5);
constexpr std::size_t kFrameBytesPerSecondMin = 16u << 10;

}  // namespace

LinkSilence::LinkSilence(Duration patience)
    : patience_(patience), pause_max_(std::max(patience, kPauseMax)), pause_(patience) {}

void LinkSilence::connected(TimePoint now) {
    unanswered_since_.reset();
    next_ = std::max(next_, now + patience_);
}

bool LinkSilence::sent(TimePoint now) {
    if (heard_ && now - *heard_ < patience_ / kAnswersPerPatience) return false;
    const bool goes_on = unanswered_since_ && now - sent_ < patience_ * kConversationPatiences;
    if (!goes_on) unanswered_since_ = now;
    sent_ = now;
    return now - *unanswered_since_ >= patience_ && replace(now);
}

void LinkSilence::heard(TimePoint now) {
    heard_ = now;
    unanswered_since_.reset();
    pause_ = patience_;
    next_ = std::min(next_, now + patience_);
}

void LinkSilence::moving(TimePoint now) {
    if (unanswered_since_) unanswered_since_ = now;
}

bool LinkSilence::peer_called(TimePoint now) {
    return replace(now);
}

bool LinkSilence::replace(TimePoint now) {
    if (now < next_ || mutant(Mutant::kSilentLinkKept)) return false;
    next_ = now + pause_;
    pause_ = std::min(2 * pause_, pause_max_);
    return true;
}

Duration patience_of(Duration election_timeout) {
    return std::clamp(election_timeout / 2, kPatienceMin, kPatienceMax);
}

bool keeps_its_place(Duration silence, Duration election_timeout) {
    if (mutant(Mutant::kCloneHeard)) return false;
    return silence < std::min(election_timeout * kSilentTimeouts, kProcessSilenceMax);
}

void FramePace::read(std::size_t unfinished_bytes, bool is_new, TimePoint now) {
    if (is_new || bytes_ == 0) began_ = now;
    if (is_new || bytes_ != unfinished_bytes) moved_ = now;
    bytes_ = unfinished_bytes;
}

bool FramePace::is_too_slow(TimePoint now) const {
    if (bytes_ == 0) return false;
    const Duration allowed =
        kFrameStallMax + std::chrono::seconds(bytes_ / kFrameBytesPerSecondMin);
    return now - moved_ >= kFrameStallMax || now - began_ >= allowed;
}

}  // namespace quorlite::server
