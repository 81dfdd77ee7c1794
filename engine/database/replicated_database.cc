#include "engine/database/replicated_database.h"

#include <algorithm>
#include <bit>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/mutants.h"
#include "engine/database/base_file.h"
#include "wire/base/errors.h"

namespace quorlite::database {
namespace {

// A WAL without uncommitted frames is checkpointed from this size on: nobody waits for that.
constexpr std::size_t kIdleFrames = 256;

Index earlier(Index bound, Index first) {
    return first ? std::min(bound, first.previous()) : bound;
}

Error malformed(std::string_view what) {
    return Error{code::kCorrupt, "malformed command: " + std::string(what)};
}

}  // namespace

std::uint64_t hash_page(std::uint64_t seed, ConstPageBytes page) {
    constexpr std::uint64_t kMultiplier = 0x9fb21c651e98df25;
    std::uint64_t hash = seed;
    for (std::size_t i = 0; i < kPageSize; i += sizeof(std::uint64_t)) {
        hash = std::rotl(hash ^ load_little<std::uint64_t>(page.data() + i), 29) * kMultiplier;
    }
    return hash ^ (hash >> 32);
}

ReplicatedDatabase::ReplicatedDatabase(DatabaseHost& host, std::string name)
    : host_(host),
      name_(std::move(name)),
      pages_(std::make_shared<PageStore>(Base{})),
      writers_(host.executor(), [this] { maybe_checkpoint(); }) {}

ReplicatedDatabase::~ReplicatedDatabase() = default;

// --- connections and commits ---

WalEpoch& ReplicatedDatabase::epoch() {
    if (!epoch_) {
        const Options& options = host_.options();
        const WalEpoch::Limits limits{options.command_bytes_max,
                                      options.transaction_bytes_max / kPageSize};
        epoch_ = std::make_shared<WalEpoch>(name_, pages_, limits);
    }
    return *epoch_;
}

Result<std::unique_ptr<Connection>> ReplicatedDatabase::connect() {
    epoch();
    host_.count_connection(1);
    ConnectionContext context{host_.vfs(), host_.executor(), host_.page_cache_bytes(),
                              host_.options().operations_per_yield,
                              [this](PinningConnection& closed) {
                                  std::erase(connections_, &closed);
                                  host_.count_connection(-1);
                                  if (connections_.empty()) host_.note_closed(name_);
                              }};
    auto connection = open_connection(std::move(context), epoch_);
    if (!connection) return std::move(connection).error();
    connections_.push_back(connection->get());
    return std::unique_ptr<Connection>(std::move(*connection));
}

void ReplicatedDatabase::proposed(Index index) {
    if (!epoch_) return;
    epoch_->proposed(index);
    newest_proposed_ = index;
    host_.note_proposed(*this, index);
}

void ReplicatedDatabase::committed(Index index) {
    if (!epoch_) return;
    epoch_->committed(index);
    committed_once_ = true;
    held_now_.reset();
    maybe_checkpoint();
}

void ReplicatedDatabase::renew(Index applied) {
    if (!epoch_) return;
    held_now_.reset();
    const std::shared_ptr<WalEpoch> old = std::exchange(epoch_, nullptr);
    old->committed(applied);
    CaptureQueue::Part part = old->partly_committed(applied);
    const Index first = old->first_in_wal();
    old->retire();
    if (first && first <= applied && first != part.first) {
        first_active_ = first_active_ ? std::min(first_active_, first) : first;
        committed_once_ = true;
    }
    if (part.first && !mutant(Mutant::kPartsForgottenAtStepDown)) {
        parts_ = {part.first, std::move(part.commands), 0};
        for (const auto& command : parts_.commands) parts_.bytes += command->size();
    }
    newest_proposed_ = std::min(newest_proposed_, applied);
    checkpoint_wanted_ = false;
    host_.note_pages(*this);
    writers_.reset(not_leader());
}

// --- commands of other nodes ---

Status ReplicatedDatabase::keep_part(Index index, const CommandHeader& header, ByteView command) {
    const bool go_on = mutant(Mutant::kUnfinishedPartsApplied) && parts_.first;
    if (header.first && !go_on) parts_ = {index, {}, 0};  // an unfinished one never happened
    if (!parts_.first) return malformed("a transaction without its beginning");
    if (parts_.bytes + command.size() > limits::kPartialTransactionBytesMax)
        return malformed("a transaction without end");
    parts_.bytes += command.size();
    parts_.commands.push_back(std::make_shared<const Bytes>(command.begin(), command.end()));
    return {};
}

void ReplicatedDatabase::forget_unfinished(Index committed) {
    if (unfinished() && parts_.last() < committed && !mutant(Mutant::kUnfinishedPartsApplied)) {
        parts_ = {};
    }
}

Status ReplicatedDatabase::apply(Index index, const CommandHeader& header, ByteView command) {
    if (index <= base_at_) return {};
    if (epoch_) renew(index.previous());
    held_now_.reset();
    if (!header.last && !mutant(Mutant::kPartsApplyAtOnce)) {
        return keep_part(index, header, command);
    }
    const bool go_on = mutant(Mutant::kUnfinishedPartsApplied) && parts_.first;
    if (header.first && !go_on) parts_ = {index, {}, 0};
    if (mutant(Mutant::kPartsApplyAtOnce)) parts_ = {index, {}, 0};
    if (!parts_.first) return malformed("a transaction without its beginning");
    Status patched = patch(header, command);
    if (!patched) {
        newer_until_ = std::max(newer_until_, index);
        return patched;
    }
    const Parts parts = std::exchange(parts_, {});
    if (!first_active_) first_active_ = parts.first;
    committed_once_ = true;
    host_.note_pages(*this);
    return {};
}

// May be done again, if a page could not be read.
Status ReplicatedDatabase::patch(const CommandHeader& header, ByteView last) {
    pages_->resize(header.floor, header.page_count);
    for (const SharedBytes& part : parts_.commands) {
        Status patched = patch_pages(*pages_, *part);
        if (!patched) return patched;
    }
    return patch_pages(*pages_, last);
}

// --- checkpoints ---

// The one place that decides. Whenever the write lock is free there may be a checkpoint, if it is
// worth it and all of the WAL is committed; if only that is missing, writers wait until it is.
void ReplicatedDatabase::maybe_checkpoint() {
    if (!epoch_ || writers_.taken()) return;
    const std::size_t frames = epoch_->frames_to_checkpoint();
    const bool due = checkpoint_wanted_ || frames >= host_.options().wal_frames_soft;
    bool wait = host_.must_wait();
    if (frames > 0 && (due || frames >= kIdleFrames)) {
        if (!epoch_->has_uncommitted()) {
            if (!checkpoint() && frames >= host_.options().wal_frames_hard) evict_pinning();
        } else if (due && !epoch_->pinned()) {
            wait = true;
        }
    }
    if (frames == 0) checkpoint_wanted_ = false;
    if (wait) {
        writers_.hold();
    } else if (writers_.held()) {
        writers_.resume();
    }
}

bool ReplicatedDatabase::checkpoint() {
    const Index first = epoch_->first_in_wal();
    if (!epoch_->checkpoint()) return false;
    if (first && !first_active_) first_active_ = first;
    checkpoint_wanted_ = false;
    host_.note_pages(*this);
    return true;
}

void ReplicatedDatabase::evict_pinning() {
    const auto clients = epoch_->pinning();
    for (PinningConnection* const connection : connections_) {
        if (std::find(clients.begin(), clients.end(), connection->client()) != clients.end()) {
            connection->evict();
        }
    }
    checkpoint();
}

void ReplicatedDatabase::checkpoint_soon() {
    if (!epoch_ || epoch_->frames_to_checkpoint() == 0) return;
    checkpoint_wanted_ = true;
    maybe_checkpoint();
}

void ReplicatedDatabase::continue_writers() {
    maybe_checkpoint();
}

void ReplicatedDatabase::release_idle_memory(Index applied) {
    if (!epoch_ || writers_.taken()) return;
    epoch_->release_checkpointed();
    const bool rests = connections_.empty() && !writers_.waiting() && !epoch_->has_uncommitted() &&
                       epoch_->frames_to_checkpoint() == 0;
    if (rests) renew(applied);
}

void ReplicatedDatabase::limit_page_caches(std::size_t bytes) {
    for (PinningConnection* const connection : connections_) connection->limit_page_cache(bytes);
}

// --- flushing ---

// What is in the WAL only, or only begun, is not in the page store.
Index ReplicatedDatabase::flushable(Index applied) const {
    Index bound = earlier(applied, parts_.first);
    if (epoch_) bound = earlier(bound, epoch_->first_in_wal());
    return bound;
}

Index ReplicatedDatabase::flushed(Index applied) const {
    return earlier(earlier(flushable(applied), first_active_), first_flushing_);
}

std::optional<FlushItem> ReplicatedDatabase::freeze(Index applied) {
    if (!first_active_) return std::nullopt;
    // An earlier flush of this file was interrupted, and it may hold pages as of then. Its promise
    // stands until the commands up to there have been applied again.
    if (flushable(applied) < std::max(flushing_to_, newer_until_)) return std::nullopt;
    FlushItem item;
    item.name = name_;
    item.number = number_;
    item.before = base_;
    item.page_count = pages_->page_count();
    item.layer = pages_->freeze();
    // The first flush of a database begins before its first command.
    for (const auto& held : held_) {
        if (auto pages = held.lock()) item.images.push_back(std::move(pages));
    }
    item.from = base_.file ? base_at_ : first_active_.previous();
    item.to = flushable(applied);
    flushing_to_ = item.to;
    first_flushing_ = std::exchange(first_active_, Index());
    newer_until_ = Index();
    host_.note_pages(*this);
    return item;
}

void ReplicatedDatabase::flush_finished(const FlushItem& item) {
    take(Base{item.file, item.page_count});
    pages_->flushed(base_);
    base_at_ = item.to;
    flushing_to_ = Index();
    first_flushing_ = Index();
}

void ReplicatedDatabase::restart(Base base, std::uint64_t number, Index at, Index flushing_to) {
    if (epoch_) {
        epoch_->retire();
        epoch_.reset();
        writers_.reset(not_leader());
    }
    take(std::move(base));
    pages_ = std::make_shared<PageStore>(base_);
    number_ = number;
    base_at_ = at;
    flushing_to_ = flushing_to;
    first_active_ = first_flushing_ = newer_until_ = newest_proposed_ = Index();
    parts_ = {};
    checkpoint_wanted_ = false;
    committed_once_ = base_.file != nullptr;
    held_.clear();  // their base files are no longer written
    held_now_.reset();
    host_.note_pages(*this);
}

void ReplicatedDatabase::take(Base base) {
    const bool fresh = base.file && base.file != base_.file;
    base_ = std::move(base);
    if (fresh) base_.file->on_damage = host_.damage_report(name_);
}

// --- damaged pages ---

Index ReplicatedDatabase::settled(Index applied) const {
    Index settled = earlier(applied, parts_.first);
    if (epoch_) settled = earlier(settled, epoch_->partly_committed(applied).first);
    return std::max(settled, base_at_);  // the file may be ahead of the log after a start
}

bool ReplicatedDatabase::exact(Index applied) const {
    return settled(applied) >= std::max(flushing_to_, newer_until_);
}

bool ReplicatedDatabase::redone(Index applied) {
    if (settled(applied) < flushing_to_) return false;
    if (base_.file) base_.file->check_all_but(pages_->share().active);
    return true;
}

std::optional<PageCopy> ReplicatedDatabase::copy_page(PageNumber page, Index applied) const {
    PageCopy copy{Bytes(kPageSize), settled(applied)};
    if (!committed_once_ || !exact(applied)) return std::nullopt;
    const PageBytes bytes(copy.bytes);
    const Status read = epoch_ ? epoch_->read_committed(page, bytes) : pages_->read(page, bytes);
    if (!read) return std::nullopt;
    return copy;
}

bool ReplicatedDatabase::repair(PageNumber page, const PageCopy& copy, Index applied, bool newer) {
    PageRef above;
    if (pages_->find(page, above) != Lookup::kBelow || !base_.file) return true;
    const ConstPageBytes bytes(copy.bytes);
    const auto repaired = base_.file->repair(page, bytes, copy.as_of < base_at_);
    if (repaired && *repaired) return true;
    if (!newer || copy.as_of <= settled(applied)) return false;
    PageRef image = PageRef::make();
    std::copy(bytes.begin(), bytes.end(), image.mutable_bytes().begin());
    pages_->put(page, std::move(image));
    held_now_.reset();
    newer_until_ = std::max(newer_until_, copy.as_of);
    host_.note_pages(*this);
    return true;
}

// --- looking at it ---

bool ReplicatedDatabase::unused() const {
    if (committed_once_ || number_ != 0 || first_active_ || first_flushing_ || parts_.first) {
        return false;
    }
    if (!connections_.empty() || writers_.taken() || writers_.waiting()) return false;
    return !epoch_ || (!epoch_->has_uncommitted() && epoch_->frames_to_checkpoint() == 0);
}

PageSet ReplicatedDatabase::pages_now() const {
    PageSet set = pages_->share();
    if (epoch_) epoch_->overlay_committed(set);
    return set;
}

std::shared_ptr<HeldPages> ReplicatedDatabase::hold_pages() {
    if (auto same = held_now_.lock()) return same;
    std::erase_if(held_, [](const auto& held) { return held.expired(); });
    auto pages = HeldPages::hold(pages_now(), host_.held_pages());
    if (pages) held_.push_back(pages);
    held_now_ = pages;
    return pages;
}

Result<std::uint64_t> ReplicatedDatabase::checksum() {
    const PageSet set = pages_now();
    std::uint64_t hash = set.page_count;
    std::array<std::uint8_t, kPageSize> page;
    for (PageNumber number = 1; number <= set.page_count; ++number) {
        Status read = set.read(number, page);
        if (!read) return std::move(read).error();
        hash = hash_page(hash, page);
    }
    return hash;
}

std::size_t ReplicatedDatabase::memory_bytes() const {
    const std::size_t frames = epoch_ ? epoch_->frames_held() : 0;
    return (pages_->pages_held() + frames) * kPageSize;
}

}  // namespace quorlite::database
