// The store: all databases of a node, their flushes, the manifest, and snapshots. See database.h.
#include <algorithm>
#include <atomic>
#include <bit>
#include <deque>

#include "engine/base/check.h"
#include "engine/base/lifetime.h"
#include "engine/base/limits.h"
#include "engine/database/base_file.h"
#include "engine/database/command.h"
#include "engine/database/file_pool.h"
#include "engine/database/flush.h"
#include "engine/database/manifest.h"
#include "engine/database/memory.h"
#include "engine/database/replicated_database.h"
#include "engine/database/snapshot.h"
#include "engine/database/vfs.h"

namespace quorlite::database {
namespace {

constexpr Duration kFullRetry = std::chrono::seconds(1);

std::string_view unusable_name(std::string_view name) {
    if (name.empty()) return "a database needs a name";
    if (name == ":memory:") return "a database that is only in memory cannot be replicated";
    if (name.starts_with("file:") && name.find("mode=memory") != std::string_view::npos) {
        return "a database that is only in memory cannot be replicated";
    }
    if (name.size() > kDatabaseNameBytesMax) return "the name is longer than 504 bytes";
    return {};
}

void add_files(std::vector<std::string>& names, std::uint64_t number) {
    names.push_back(base_file_name(number));
    names.push_back(sums_file_name(number));
}

std::vector<std::string> base_files(const Manifest& manifest) {
    std::vector<std::string> names;
    for (const ManifestEntry& entry : manifest.entries) add_files(names, entry.number);
    return names;
}

Error unusable(const ManifestEntry& entry, const std::string& reason) {
    return Error{code::kCorrupt, "the database " + entry.name + " cannot be used: " + reason +
                                     ": let this node join anew with an empty directory"};
}

// Large, for it is all of Store and of DatabaseHost; most functions are a few lines that hand on.
class DiskStore final : public Store, private DatabaseHost {
public:
    DiskStore(Disk& disk, Executor& executor, Clock& clock, Random& random, Options options,
              std::shared_ptr<ManifestFile> manifest)
        : disk_(disk),
          files_(std::make_shared<FilePool>(disk, options.base_files_open_max)),
          executor_(executor),
          options_(options),
          share_(options.memory_bytes_max),
          vfs_(clock, random, options.temporary_bytes_max, options.temporary_files_max),
          manifest_(std::move(manifest)) {}
    ~DiskStore() override { executor_.cancel(timer_); }
    Status load();

    Result<Database*> open_database(std::string_view name) override;
    Database* find(std::string_view name) override { return find_database(name); }
    std::vector<std::string> names() const override;

    Status apply(Index index, Term term, ByteView command) override;
    void committed(Index index) override;
    void log_durable(Index index) override;
    void begin_epoch() override;
    void stop_flushing() override { stopped_ = true; }

    Index flushed_index() const override;
    void save_snapshot_point(SnapshotPoint point, std::function<void(Status)> done) override;
    const SnapshotPoint& snapshot_point() const override { return point_; }
    Index known_committed() const override { return Index(horizon_->load()); }
    Index applied_index() const override { return applied_; }

    Result<std::unique_ptr<Image>> image(std::string_view name) override;
    std::unique_ptr<SnapshotSource> snapshot_source() override;
    Result<std::unique_ptr<SnapshotInstaller>> start_install(SharedBytes manifest) override;
    Status finish_install(SnapshotInstaller& installer) override;

    std::optional<PageCopy> copy_page(std::string_view database, std::uint32_t page) override;
    bool repair(std::string_view database, std::uint32_t page, const PageCopy& copy,
                bool newer) override;
    void check_pages(std::string_view database, std::uint32_t first,
                     std::function<void(std::uint32_t next)> done) override;

    std::size_t memory_bytes() const override;
    bool behind() const override;

private:
    // DatabaseHost
    Vfs& vfs() override { return vfs_; }
    Executor& executor() override { return executor_; }
    const Options& options() const override { return options_; }
    void note_proposed(ReplicatedDatabase& database, Index index) override;
    void note_pages(ReplicatedDatabase& database) override;
    bool must_wait() const override;
    std::size_t page_cache_bytes() const override { return page_cache_bytes_; }
    void count_connection(int change) override;
    void note_closed(const std::string& database) override;
    const std::shared_ptr<PageBudget>& held_pages() const override { return held_pages_; }
    std::function<void(PageNumber)> damage_report(const std::string& database) override;

    ReplicatedDatabase* find_database(std::string_view name);
    ReplicatedDatabase& make_database(std::string_view name);
    Status remove_strays(const Manifest& manifest);
    Status open_base(const ManifestEntry& entry);
    void remove_later(std::vector<std::string> files);

    std::size_t page_cache_share() const;
    void arm_timer(Duration delay);
    void flush_interval_over();
    void note_redone();
    void flush_if_due();
    void start_flush();
    void launch_flush();
    void flush_done(const std::shared_ptr<FlushJob>& job);
    void set_disk_full(bool full);

    Disk& disk_;
    const std::shared_ptr<FilePool> files_;  // where the base files are
    Executor& executor_;
    const Options options_;
    const std::shared_ptr<PageBudget> held_pages_ = std::make_shared<PageBudget>(
        std::max(options_.memory_bytes_max / 4, limits::kHeldPagesBytesMin) / kPageSize);
    const MemoryShare share_;
    Vfs vfs_;
    const std::shared_ptr<ManifestFile> manifest_;
    std::map<std::string, std::unique_ptr<ReplicatedDatabase>, std::less<>> databases_;
    // Captures in the log that are not committed yet, in order.
    std::deque<std::pair<Index, ReplicatedDatabase*>> proposed_;
    ReplicatedDatabase* unfinished_ = nullptr;  // whose last transaction has not ended, if any

    SnapshotPoint point_;
    Index applied_;
    Index log_durable_;
    std::uint64_t next_number_ = 1;
    std::size_t active_pages_ = 0;  // of all databases
    std::size_t connections_ = 0;
    std::size_t page_cache_bytes_ = page_cache_share();  // of each connection
    std::vector<ReplicatedDatabase*> interrupted_;  // in a flush, by a crash; until it is redone
    std::shared_ptr<FlushJob> flush_;
    bool flush_running_ = false;  // otherwise it waits for the log, or for disk space
    bool disk_full_ = false;
    bool stopped_ = false;
    TimerId timer_ = TimerId::kNone;
    // The highest index that was ever being flushed.
    std::shared_ptr<std::atomic<std::uint64_t>> horizon_ =
        std::make_shared<std::atomic<std::uint64_t>>(0);
    std::shared_ptr<Staging> staging_;  // kept for whoever resumes the transfer
    Lifetime lifetime_;
};

// --- opening ---

Status DiskStore::load() {
    const Manifest& manifest = manifest_->loaded();
    Status clean = remove_strays(manifest);
    if (!clean) return clean;
    point_ = manifest.point;
    applied_ = point_.index;
    next_number_ = manifest.next_number;
    for (const ManifestEntry& entry : manifest.entries) {
        Status opened = open_base(entry);
        if (!opened) return opened;
    }
    return {};
}

Status DiskStore::remove_strays(const Manifest& manifest) {
    const std::string directory(kDatabasesDirectory);
    const auto names = disk_.list(directory);
    if (!names) return names.error();
    const std::vector<std::string> known = base_files(manifest);
    for (const std::string& name : *names) {
        const std::string path = directory + "/" + name;
        if (!name.ends_with(".db") && !name.ends_with(".sums")) continue;
        if (std::find(known.begin(), known.end(), path) != known.end()) continue;
        Status removed = disk_.remove(path);
        if (!removed) return removed;
    }
    return {};
}

Status DiskStore::open_base(const ManifestEntry& entry) {
    Base base;
    if (entry.page_count > 0) {
        const std::string path = base_file_name(entry.number);
        auto file = open_base_file(*files_, entry.number, !entry.flushing_to);
        if (!file && file.error().code == code::kIo) return file.error();  // it may be there
        if (!file) return unusable(entry, std::move(file).error().message);
        base = Base{std::move(*file), entry.page_count};
        const auto size = base.file->size();
        if (!size) return size.error();
        if (!entry.flushing_to && *size != std::uint64_t{entry.page_count} * kPageSize) {
            return unusable(entry, path + " has " + std::to_string(*size) + " bytes, not " +
                                       std::to_string(entry.page_count) + " pages");
        }
    }
    ReplicatedDatabase& database = make_database(entry.name);
    database.restart(std::move(base), entry.number, entry.at, entry.flushing_to);
    if (entry.flushing_to) interrupted_.push_back(&database);
    const Index newest = std::max(entry.at, entry.flushing_to);
    horizon_->store(std::max(horizon_->load(), newest.value()));
    return {};
}

// --- databases ---

ReplicatedDatabase* DiskStore::find_database(std::string_view name) {
    const auto found = databases_.find(name);
    return found == databases_.end() ? nullptr : found->second.get();
}

ReplicatedDatabase& DiskStore::make_database(std::string_view name) {
    auto& database = databases_[std::string(name)];
    if (!database) {
        database = std::make_unique<ReplicatedDatabase>(static_cast<DatabaseHost&>(*this),
                                                        std::string(name));
    }
    return *database;
}

Result<Database*> DiskStore::open_database(std::string_view name) {
    if (ReplicatedDatabase* const database = find_database(name)) return database;
    const std::string_view reason = unusable_name(name);
    if (!reason.empty()) return Error{code::kError, std::string(reason)};
    return &make_database(name);
}

// Later: whoever has closed it may still have to give its write lock back.
void DiskStore::note_closed(const std::string& name) {
    const ReplicatedDatabase* const database = find_database(name);
    if (database == nullptr) return;
    arm_timer(options_.flush_interval);
    if (!database->unused()) return;
    executor_.post(lifetime_.guard([this, name] {
        const auto found = databases_.find(name);
        if (found == databases_.end() || !found->second->unused()) return;
        if (unfinished_ == found->second.get()) unfinished_ = nullptr;
        databases_.erase(found);
    }));
}

std::vector<std::string> DiskStore::names() const {
    std::vector<std::string> names;
    for (const auto& [name, database] : databases_) {
        if (database->committed_once()) names.push_back(name);
    }
    return names;
}

// Powers of two, so that not every connection that comes or goes changes all of them.
std::size_t DiskStore::page_cache_share() const {
    // Statements and values must find room beside them.
    const std::size_t all = std::min(options_.page_caches_bytes, options_.memory_bytes_max / 2);
    const std::size_t share = std::bit_floor(all / std::max<std::size_t>(connections_, 1));
    const std::size_t least = std::min(limits::kPageCacheBytesMin, options_.page_cache_bytes);
    return std::clamp(share, least, options_.page_cache_bytes);
}

void DiskStore::count_connection(int change) {
    connections_ += static_cast<std::size_t>(change);
    const std::size_t share = page_cache_share();
    if (share == page_cache_bytes_) return;
    page_cache_bytes_ = share;
    for (const auto& [name, database] : databases_) database->limit_page_caches(share);
}

// --- the log ---

Status DiskStore::apply(Index index, Term, ByteView command) {
    const auto header = validate_command(command);
    if (!header) return Error{code::kCorrupt, "malformed command"};
    if (index <= applied_) return {};
    ReplicatedDatabase& database = make_database(header->database);
    if (unfinished_ != nullptr && unfinished_ != &database) unfinished_->forget_unfinished(index);
    Status applied = database.apply(index, *header, command);
    if (!applied) return applied;
    applied_ = index;
    unfinished_ = database.unfinished() ? &database : nullptr;
    note_redone();
    flush_if_due();
    return {};
}

void DiskStore::committed(Index index) {
    applied_ = std::max(applied_, index);
    while (!proposed_.empty() && proposed_.front().first <= index) {
        const auto [last, database] = proposed_.front();
        proposed_.pop_front();
        database->committed(last);
    }
    if (unfinished_ != nullptr) unfinished_->forget_unfinished(index);
    note_redone();
    flush_if_due();
}

void DiskStore::log_durable(Index index) {
    log_durable_ = index;
    if (flush_ && !flush_running_ && !disk_full_) launch_flush();
}

void DiskStore::begin_epoch() {
    proposed_.clear();
    for (const auto& [name, database] : databases_) {
        database->renew(applied_);
        if (database->unfinished()) unfinished_ = database.get();
    }
    flush_if_due();
}

void DiskStore::note_proposed(ReplicatedDatabase& database, Index index) {
    proposed_.emplace_back(index, &database);
    arm_timer(options_.flush_interval);
}

// --- flushing ---

void DiskStore::note_pages(ReplicatedDatabase& database) {
    const std::size_t pages = database.active_pages();
    active_pages_ += pages - database.counted_pages;
    database.counted_pages = pages;
    if (pages > 0) arm_timer(options_.flush_interval);
}

// Before the next flush, which takes what was redone out of the layer that tells it.
void DiskStore::note_redone() {
    std::erase_if(interrupted_,
                  [this](ReplicatedDatabase* database) { return database->redone(applied_); });
}

// Only when everything up to `applied_` is in its place: a flush is named after that.
void DiskStore::flush_if_due() {
    if (active_pages_ * kPageSize >= options_.flush_bytes) start_flush();
}

bool DiskStore::behind() const {
    return flush_ && active_pages_ * kPageSize >= limits::kFlushesBehindMax * options_.flush_bytes;
}

bool DiskStore::must_wait() const {
    return behind() && !disk_full_;  // then writers are refused
}

void DiskStore::arm_timer(Duration delay) {
    if (timer_ != TimerId::kNone || stopped_) return;
    timer_ = executor_.after(delay, [this] {
        timer_ = TimerId::kNone;
        flush_interval_over();
    });
}

void DiskStore::flush_interval_over() {
    if (disk_full_) {
        launch_flush();
        arm_timer(kFullRetry);
        return;
    }
    bool dirty = false;
    for (const auto& [name, database] : databases_) {
        database->checkpoint_soon();
        database->release_idle_memory(applied_);
        dirty = dirty || database->dirty();
    }
    start_flush();
    if (dirty) arm_timer(options_.flush_interval);
}

void DiskStore::start_flush() {
    if (flush_ || stopped_) return;
    auto job = std::make_shared<FlushJob>();
    for (const auto& [name, database] : databases_) {
        if (auto item = database->freeze(applied_)) {
            if (item->number == 0) database->set_number(item->number = next_number_++);
            job->target = std::max(job->target, item->to);
            job->items.push_back(std::move(*item));
        }
    }
    if (job->items.empty()) return;
    flush_ = job;
    job->epoch = manifest_->epoch();
    job->next_number = next_number_;
    launch_flush();
}

void DiskStore::launch_flush() {
    if (flush_running_ || stopped_ || flush_->target > log_durable_) return;
    flush_running_ = true;
    horizon_->store(std::max(horizon_->load(), flush_->target.value()));
    executor_.background([files = files_, manifest = manifest_,
                          job = flush_] { run_flush(*files, *manifest, *job); },
                         lifetime_.guard([this, job = flush_] { flush_done(job); }));
}

void DiskStore::flush_done(const std::shared_ptr<FlushJob>& job) {
    if (flush_ != job) return;  // a snapshot has replaced everything meanwhile
    flush_running_ = false;
    if (!job->result) {
        set_disk_full(true);
        return;
    }
    set_disk_full(false);
    flush_.reset();
    for (const FlushItem& item : job->items) find_database(item.name)->flush_finished(item);
    flush_if_due();
    for (const auto& [name, database] : databases_) database->continue_writers();
    if (on_flushed) on_flushed();
}

void DiskStore::set_disk_full(bool full) {
    if (full) {
        executor_.cancel(timer_);
        timer_ = TimerId::kNone;
        arm_timer(kFullRetry);
    }
    if (full == disk_full_) return;
    disk_full_ = full;
    std::optional<Error> refusal;
    if (full) refusal = Error{code::kFull, "the disk is full"};
    for (const auto& [name, database] : databases_) database->refuse_writers(refusal);
    if (on_space) on_space(!full);
}

Index DiskStore::flushed_index() const {
    Index flushed = applied_;
    for (const auto& [name, database] : databases_) {
        flushed = std::min(flushed, database->flushed(applied_));
    }
    return flushed;
}

void DiskStore::save_snapshot_point(SnapshotPoint point, std::function<void(Status)> done) {
    QUORLITE_CHECK(point.index <= flushed_index());
    if (!point.configuration) point.configuration = std::make_shared<const Bytes>();
    auto result = std::make_shared<Status>();
    executor_.background(
        [manifest = manifest_, epoch = manifest_->epoch(), point, result] {
            *result = manifest->update_in_epoch(epoch, [&](Manifest& content) {
                content.point = point;
                return true;
            });
        },
        lifetime_.guard([this, point, result, done = std::move(done)] {
            if (result->ok() && point.index > point_.index) point_ = point;
            done(*result);
        }));
}

// --- images and snapshots ---

Result<std::unique_ptr<Image>> DiskStore::image(std::string_view name) {
    ReplicatedDatabase* const database = find_database(name);
    if (database == nullptr) return Error{code::kNoDatabase, "database does not exist"};
    if (!database->exact(applied_)) {
        return Error{code::kBusy,
                     "this node has not yet caught up with the log: try again, or ask "
                     "the leader"};
    }
    auto pages = database->hold_pages();
    if (pages) return make_image(std::move(pages));
    return Error{code::kBusy,
                 "too many old pages are held for DUMPs that are being read: try "
                 "again, or raise --memory-max"};
}

std::unique_ptr<SnapshotSource> DiskStore::snapshot_source() {
    Manifest manifest;
    manifest.point = point_;
    std::vector<std::shared_ptr<File>> files;
    for (const auto& [name, database] : databases_) {
        const Base& base = database->base();
        if (!base.file) continue;
        manifest.entries.push_back({database->number(), name, database->base_at(),
                                    database->flushing_to(), base.page_count});
        files.push_back(base.file);
    }
    return make_snapshot_source(std::move(manifest), std::move(files), horizon_);
}

Result<std::unique_ptr<SnapshotInstaller>> DiskStore::start_install(SharedBytes description) {
    if (!staging_ || *staging_->description() != *description) {
        auto manifest = decode_manifest(*description);
        if (!manifest) return std::move(manifest).error();
        for (const ManifestEntry& entry : manifest->entries) {
            if (entry.page_count == 0)
                return Error{code::kCorrupt, "the manifest names an empty file"};
        }
        if (staging_) remove_later(base_files(staging_->manifest()));
        staging_ = std::make_shared<Staging>(*files_, manifest_, std::move(description),
                                             std::move(*manifest), next_number_);
        next_number_ += staging_->manifest().entries.size();
    }
    return std::unique_ptr<SnapshotInstaller>(std::make_unique<StagedInstaller>(staging_));
}

Status DiskStore::finish_install(SnapshotInstaller& installer) {
    const Staging& staging = static_cast<StagedInstaller&>(installer).staging();
    if (!staging.complete()) return Error{code::kProtocol, "the snapshot is not complete"};
    Manifest manifest = staging.manifest();
    manifest.next_number = next_number_;
    Status switched = manifest_->replace(manifest);
    if (!switched) return switched;

    std::vector<std::string> strays;
    const auto files = staging.files();
    staging_.reset();
    proposed_.clear();
    unfinished_ = nullptr;
    interrupted_.clear();
    flush_.reset();
    flush_running_ = false;
    set_disk_full(false);
    for (const auto& [name, database] : databases_) {
        if (database->number() != 0) add_files(strays, database->number());
        database->restart(Base{}, 0, Index(), Index());
    }
    point_ = manifest.point;
    applied_ = point_.index;
    log_durable_ = std::max(log_durable_, point_.index);
    for (std::size_t i = 0; i < files.size(); ++i) {
        const ManifestEntry& entry = manifest.entries[i];
        make_database(entry.name)
            .restart(Base{files[i], entry.page_count}, entry.number, entry.at, entry.flushing_to);
        const Index newest = std::max(entry.at, entry.flushing_to);
        horizon_->store(std::max(horizon_->load(), newest.value()));
    }
    remove_later(std::move(strays));
    return {};
}

void DiskStore::remove_later(std::vector<std::string> files) {
    if (files.empty()) return;
    executor_.background(
        [disk = files_, files = std::move(files)] {
            // What cannot be removed now is removed when the store is opened again.
            for (const std::string& file : files) static_cast<void>(disk->remove(file).ok());
        },
        [] {});
}

// --- damaged pages ---

std::function<void(PageNumber)> DiskStore::damage_report(const std::string& database) {
    auto tell = lifetime_.guard([this, database](PageNumber page) {
        if (on_damage) on_damage(database, page);
    });
    return [executor = &executor_, tell = std::move(tell)](PageNumber page) {
        executor->post([tell, page]() mutable { tell(page); });
    };
}

std::optional<PageCopy> DiskStore::copy_page(std::string_view name, std::uint32_t page) {
    const ReplicatedDatabase* const database = page > 0 ? find_database(name) : nullptr;
    return database != nullptr ? database->copy_page(page, applied_) : std::nullopt;
}

bool DiskStore::repair(std::string_view name, std::uint32_t page, const PageCopy& copy,
                       bool newer) {
    ReplicatedDatabase* const database = find_database(name);
    if (database == nullptr || copy.bytes.size() != kPageSize) return false;
    if (!database->repair(page, copy, applied_, newer)) return false;
    if (newer) horizon_->store(std::max(horizon_->load(), copy.as_of.value()));
    return true;
}

void DiskStore::check_pages(std::string_view name, std::uint32_t first,
                            std::function<void(std::uint32_t next)> done) {
    const ReplicatedDatabase* const database = find_database(name);
    const Base base = database != nullptr ? database->base() : Base{};
    if (!base.file || first > base.page_count || stopped_) {
        done(0);
        return;
    }
    const std::uint32_t pages = std::min(kPagesCheckedAtOnce, base.page_count - first + 1);
    executor_.background(
        [file = base.file, first, pages] {
            Bytes content(pages * kPageSize);
            // The file itself tells of the damage.
            static_cast<void>(file->read(std::uint64_t{first - 1} * kPageSize, content).ok());
        },
        lifetime_.guard([next = first + pages, done = std::move(done)] { done(next); }));
}

std::size_t DiskStore::memory_bytes() const {
    std::size_t bytes = 0;
    for (const auto& [name, database] : databases_) bytes += database->memory_bytes();
    return bytes;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(Disk& disk, Executor& executor, Clock& clock,
                                           Random& random, Options options) {
    auto manifest = ManifestFile::open(disk);
    if (!manifest) return std::move(manifest).error();
    auto store =
        std::make_unique<DiskStore>(disk, executor, clock, random, options, std::move(*manifest));
    Status loaded = store->load();
    if (!loaded) return std::move(loaded).error();
    return std::unique_ptr<Store>(std::move(store));
}

bool is_command(ByteView payload) {
    return validate_command(payload).has_value();
}

}  // namespace quorlite::database
