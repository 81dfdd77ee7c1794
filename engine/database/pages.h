// Pages: the content of one database below SQLite's WAL.
//
//   a page is read from:  active layer -> layer being flushed -> base file
//
// A layer maps page numbers to shared page images and has a floor: the smallest size, in pages,
// that the database had while the layer was the active one. A page above the floor that is not in
// the layer is zeros, whatever lies below: a database that shrank and grew again never shows what
// it held before.
//
// A page image is immutable while it has several holders (a WAL frame, an image, a flush);
// writable() clones it then. Reading works on any thread; everything else belongs to the loop.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "engine/base/disk.h"
#include "engine/database/database.h"
#include "wire/base/mutex.h"

namespace quorlite::database {

using PageNumber = std::uint32_t;  // from 1, as in SQLite

inline constexpr PageNumber kNoFloor = 0xffffffff;
inline constexpr PageNumber kPageCountMax = 0xfffffffe;  // SQLite's own
using PageBytes = std::span<std::uint8_t, kPageSize>;
using ConstPageBytes = std::span<const std::uint8_t, kPageSize>;

// A shared page image. Copying shares; the last holder frees it, on any thread.
class PageRef {
public:
    PageRef() = default;
    static PageRef make();  // contents undefined
    PageRef(const PageRef& other) : buffer_(other.buffer_) {
        if (buffer_ != nullptr) buffer_->holders.fetch_add(1, std::memory_order_relaxed);
    }
    PageRef(PageRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
    PageRef& operator=(PageRef other) noexcept {
        std::swap(buffer_, other.buffer_);
        return *this;
    }
    ~PageRef() {
        if (buffer_ != nullptr && buffer_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            delete buffer_;
        }
    }

    explicit operator bool() const { return buffer_ != nullptr; }
    // No one else can see this image, so it may be changed.
    bool unique() const { return buffer_->holders.load(std::memory_order_acquire) == 1; }
    ConstPageBytes bytes() const { return buffer_->bytes; }
    PageBytes mutable_bytes() { return buffer_->bytes; }  // precondition: unique()

private:
    struct Buffer {
        std::atomic<std::uint32_t> holders{1};
        alignas(16) std::array<std::uint8_t, kPageSize> bytes;
    };
    Buffer* buffer_ = nullptr;
};

class BaseFile;

struct Layer {
    std::unordered_map<PageNumber, PageRef> pages;
    PageNumber floor = kNoFloor;

    bool empty() const { return pages.empty() && floor == kNoFloor; }
    void shrink(PageNumber count);
};

// What a layer says about a page.
enum class Lookup { kFound, kZeros, kBelow };
Lookup find_page(const Layer& layer, PageNumber page, PageRef& found);

// The first page of a database in which nothing was ever written: an SQLite header in WAL mode and
// an empty schema, the same on every node.
ConstPageBytes initial_page();

// The base file at the end of the last flush. No file: nothing was ever flushed.
struct Base {
    std::shared_ptr<BaseFile> file;
    PageNumber page_count = 1;

    Status read(PageNumber page, PageBytes into) const;
};

// Everything at one instant, sharing the images.
struct PageSet {
    Layer active;
    std::shared_ptr<const Layer> flushing;
    Base base;
    PageNumber page_count = 1;

    Status read(PageNumber page, PageBytes into) const;
    Lookup find(PageNumber page, PageRef& found) const;  // without the base file
};

// How many pages may be in memory for no other reason than that somebody still reads an old state.
class PageBudget {
public:
    explicit PageBudget(std::size_t pages_max) : pages_max_(pages_max) {}

    // All or nothing: first come, first served, however much is asked for.
    bool take(std::size_t pages);
    void give_back(std::size_t pages) { taken_.fetch_sub(pages, std::memory_order_relaxed); }
    std::size_t taken() const { return taken_.load(std::memory_order_relaxed); }

private:
    const std::size_t pages_max_;
    std::atomic<std::size_t> taken_{0};
};

// A page as it was, for all who need it so.
class KeptPage {
public:
    KeptPage(PageRef page, std::shared_ptr<PageBudget> budget)
        : page_(std::move(page)), budget_(std::move(budget)) {}
    KeptPage(const KeptPage&) = delete;
    KeptPage& operator=(const KeptPage&) = delete;
    ~KeptPage() { budget_->give_back(1); }

    const PageRef& page() const { return page_; }

private:
    const PageRef page_;
    const std::shared_ptr<PageBudget> budget_;
};

// A PageSet that stays readable while flushes go on: before a flush overwrites a page of the base
// file that this set still needs, it asks to keep() it. Any thread. A set that would have to keep
// more than the budget has gives up, and can no longer be read.
class HeldPages {
public:
    // Null if the budget does not have what the layers may come to: they are copied when they are
    // written to.
    static std::shared_ptr<HeldPages> hold(PageSet pages, std::shared_ptr<PageBudget> budget);
    HeldPages(PageSet pages, std::shared_ptr<PageBudget> budget, std::size_t taken)
        : pages_(std::move(pages)), budget_(std::move(budget)), taken_(taken) {}
    HeldPages(const HeldPages&) = delete;
    HeldPages& operator=(const HeldPages&) = delete;
    ~HeldPages() { budget_->give_back(taken_); }

    PageNumber page_count() const { return pages_.page_count; }
    Status read(PageNumber page, PageBytes into) const;
    // `copy` is the page, if another set has kept it already, or becomes it.
    void keep(PageNumber page, std::shared_ptr<const KeptPage>& copy);

private:
    std::shared_ptr<const KeptPage> copy_of(PageNumber page) const;

    const PageSet pages_;
    const std::shared_ptr<PageBudget> budget_;
    const std::size_t taken_;
    mutable Mutex mutex_;
    std::unordered_map<PageNumber, std::shared_ptr<const KeptPage>> kept_
        QUORLITE_GUARDED_BY(mutex_);
    bool gave_up_ QUORLITE_GUARDED_BY(mutex_) = false;
};

class PageStore {
public:
    explicit PageStore(Base base) : base_(std::move(base)), page_count_(base_.page_count) {}

    Status read(PageNumber page, PageBytes into) const;  // any thread
    Lookup find(PageNumber page, PageRef& found) const;  // without the base file
    PageNumber page_count() const;                       // any thread

    void put(PageNumber page, PageRef image);
    // The database was `floor` pages long for a moment and is `count` pages long now.
    void resize(PageNumber floor, PageNumber count);
    // The current image of a page, or zeros, to be changed in place.
    Result<PageBytes> writable(PageNumber page, bool from_zero);

    bool dirty() const;  // pages that are not in the base file, flushing ones included
    std::size_t active_pages() const;  // not yet being flushed
    std::size_t pages_held() const;

    // Freezes the active layer and returns it. Precondition: nothing is being flushed.
    std::shared_ptr<const Layer> freeze();
    // The frozen layer is in `base` now.
    void flushed(Base base);
    PageSet share() const;

private:
    mutable Mutex mutex_;
    Layer active_ QUORLITE_GUARDED_BY(mutex_);
    std::shared_ptr<const Layer> flushing_ QUORLITE_GUARDED_BY(mutex_);
    Base base_ QUORLITE_GUARDED_BY(mutex_);
    PageNumber page_count_ QUORLITE_GUARDED_BY(mutex_);
};

}  // namespace quorlite::database
