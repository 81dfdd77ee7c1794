#include "engine/database/pages.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/database/base_file.h"

namespace quorlite::database {
namespace {

void copy_page(ConstPageBytes from, PageBytes to) {
    std::memcpy(to.data(), from.data(), kPageSize);
}

void zero_page(PageBytes page) {
    std::memset(page.data(), 0, kPageSize);
}

std::array<std::uint8_t, kPageSize> make_initial_page() {
    constexpr std::string_view kMagic("SQLite format 3\0", 16);
    std::array<std::uint8_t, kPageSize> page{};
    std::copy(kMagic.begin(), kMagic.end(), page.begin());
    page[16] = kPageSize >> 8;  // page size, big-endian
    page[18] = 2;               // write version: WAL
    page[19] = 2;               // read version: WAL
    page[21] = 64;              // payload fractions, fixed by the format
    page[22] = 32;
    page[23] = 32;
    page[27] = 1;                // change counter
    page[31] = 1;                // size in pages, believed because ...
    page[95] = 1;                // ... it is valid for this change counter
    page[100] = 0x0d;            // an empty leaf of a table: the schema
    page[105] = kPageSize >> 8;  // its cell content begins at the end of the page
    return page;
}

}  // namespace

PageRef PageRef::make() {
    PageRef page;
    page.buffer_ = new Buffer;
    return page;
}

void Layer::shrink(PageNumber count) {
    std::erase_if(pages, [&](const auto& entry) { return entry.first > count; });
    floor = std::min(floor, count);
}

Lookup find_page(const Layer& layer, PageNumber page, PageRef& found) {
    const auto at = layer.pages.find(page);
    if (at != layer.pages.end()) {
        found = at->second;
        return Lookup::kFound;
    }
    return page > layer.floor ? Lookup::kZeros : Lookup::kBelow;
}

ConstPageBytes initial_page() {
    static const std::array<std::uint8_t, kPageSize> page = make_initial_page();
    return page;
}

Status Base::read(PageNumber page, PageBytes into) const {
    if (page > page_count) {
        zero_page(into);
        return {};
    }
    if (!file) {
        copy_page(initial_page(), into);
        return {};
    }
    auto got = file->read(std::uint64_t{page - 1} * kPageSize, into);
    if (!got) {
        return Error{code::kIo,
                     got.error().message +
                         ": it is fetched from the other nodes, try again; if that does not help, "
                         "remove this node from the cluster and let it join anew with an empty "
                         "directory"};
    }
    // A file torn by a crash can be short until the log has been applied again.
    std::memset(into.data() + *got, 0, kPageSize - *got);
    return {};
}

namespace {

// The two layers above the base file, looked up in order.
Lookup find_above(const Layer& active, const Layer* flushing, PageNumber page, PageRef& found) {
    Lookup lookup = find_page(active, page, found);
    if (lookup == Lookup::kBelow && flushing != nullptr) lookup = find_page(*flushing, page, found);
    return lookup;
}

Status fill_page(Lookup lookup, const PageRef& found, const Base& base, PageNumber page,
                 PageBytes into) {
    if (lookup == Lookup::kBelow) return base.read(page, into);
    if (lookup == Lookup::kFound) {
        copy_page(found.bytes(), into);
    } else {
        zero_page(into);
    }
    return {};
}

}  // namespace

Lookup PageSet::find(PageNumber page, PageRef& found) const {
    return page > page_count ? Lookup::kZeros : find_above(active, flushing.get(), page, found);
}

Status PageSet::read(PageNumber page, PageBytes into) const {
    PageRef found;
    const Lookup lookup = find(page, found);
    return fill_page(lookup, found, base, page, into);
}

Status HeldPages::read(PageNumber page, PageBytes into) const {
    PageRef found;
    Lookup lookup = pages_.find(page, found);
    if (lookup != Lookup::kBelow) return fill_page(lookup, found, pages_.base, page, into);
    const MutexLock lock(mutex_);
    if (gave_up_) {
        return Error{code::kIo, "the image was read too slowly: too much of it has changed since"};
    }
    const auto kept = kept_.find(page);
    if (kept != kept_.end()) {
        lookup = Lookup::kFound;
        found = kept->second->page();
    }
    return fill_page(lookup, found, pages_.base, page, into);
}

bool PageBudget::take(std::size_t pages) {
    const std::size_t before = taken_.fetch_add(pages, std::memory_order_relaxed);
    if (before == 0 || before + pages <= pages_max_) return true;
    give_back(pages);
    return false;
}

std::shared_ptr<HeldPages> HeldPages::hold(PageSet pages, std::shared_ptr<PageBudget> budget) {
    const std::size_t layers =
        pages.active.pages.size() + (pages.flushing ? pages.flushing->pages.size() : 0);
    if (!budget->take(layers)) return nullptr;
    return std::make_shared<HeldPages>(std::move(pages), std::move(budget), layers);
}

void HeldPages::keep(PageNumber page, std::shared_ptr<const KeptPage>& copy) {
    PageRef ignored;
    if (page > pages_.base.page_count || pages_.find(page, ignored) != Lookup::kBelow) return;
    const MutexLock lock(mutex_);
    if (gave_up_ || kept_.contains(page)) return;
    if (!copy) copy = copy_of(page);
    if (copy) {
        kept_.emplace(page, copy);
    } else {
        gave_up_ = true;
        kept_.clear();
    }
}

std::shared_ptr<const KeptPage> HeldPages::copy_of(PageNumber page) const {
    if (!budget_->take(1)) return nullptr;
    PageRef image = PageRef::make();
    const bool read = pages_.base.read(page, image.mutable_bytes()).ok();
    auto copy = std::make_shared<const KeptPage>(std::move(image), budget_);
    return read ? copy : nullptr;
}

Status PageStore::read(PageNumber page, PageBytes into) const {
    PageRef found;
    Lookup lookup = Lookup::kZeros;
    Base base;
    {
        const MutexLock lock(mutex_);
        if (page <= page_count_) lookup = find_above(active_, flushing_.get(), page, found);
        if (lookup == Lookup::kBelow) base = base_;
    }
    // The base file is read without the lock: while a reader can ask for a page, no newer image of
    // it leaves the WAL (see WalEpoch::checkpoint), so no flush writes it.
    return fill_page(lookup, found, base, page, into);
}

Lookup PageStore::find(PageNumber page, PageRef& found) const {
    const MutexLock lock(mutex_);
    return page > page_count_ ? Lookup::kZeros : find_above(active_, flushing_.get(), page, found);
}

PageNumber PageStore::page_count() const {
    const MutexLock lock(mutex_);
    return page_count_;
}

void PageStore::put(PageNumber page, PageRef image) {
    const MutexLock lock(mutex_);
    active_.pages.insert_or_assign(page, std::move(image));
}

void PageStore::resize(PageNumber floor, PageNumber count) {
    QUORLITE_CHECK(floor >= 1 && floor <= count);
    const MutexLock lock(mutex_);
    if (floor < page_count_) active_.shrink(floor);
    page_count_ = count;
}

Result<PageBytes> PageStore::writable(PageNumber page, bool from_zero) {
    const MutexLock lock(mutex_);
    QUORLITE_CHECK(page >= 1 && page <= page_count_);
    PageRef& image = active_.pages[page];
    if (image && image.unique()) {
        if (from_zero) zero_page(image.mutable_bytes());
        return image.mutable_bytes();
    }
    PageRef fresh = PageRef::make();
    if (from_zero) {
        zero_page(fresh.mutable_bytes());
    } else {
        PageRef found = image;
        Lookup lookup = Lookup::kFound;
        if (!image) {
            active_.pages.erase(page);  // not there yet; the lookup must see what lies below
            lookup = find_above(active_, flushing_.get(), page, found);
        }
        const Status filled = fill_page(lookup, found, base_, page, fresh.mutable_bytes());
        if (!filled) return filled.error();
    }
    PageRef& placed = active_.pages[page];
    placed = std::move(fresh);
    return placed.mutable_bytes();
}

bool PageStore::dirty() const {
    const MutexLock lock(mutex_);
    return flushing_ != nullptr || !active_.empty();
}

std::size_t PageStore::active_pages() const {
    const MutexLock lock(mutex_);
    return active_.pages.size();
}

std::size_t PageStore::pages_held() const {
    const MutexLock lock(mutex_);
    return active_.pages.size() + (flushing_ ? flushing_->pages.size() : 0);
}

std::shared_ptr<const Layer> PageStore::freeze() {
    const MutexLock lock(mutex_);
    QUORLITE_CHECK(!flushing_);
    flushing_ = std::make_shared<const Layer>(std::exchange(active_, Layer{}));
    return flushing_;
}

void PageStore::flushed(Base base) {
    const MutexLock lock(mutex_);
    QUORLITE_CHECK(flushing_ != nullptr);
    base_ = std::move(base);
    flushing_.reset();
}

PageSet PageStore::share() const {
    const MutexLock lock(mutex_);
    return PageSet{active_, flushing_, base_, page_count_};
}

}  // namespace quorlite::database
