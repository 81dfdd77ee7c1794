// Capture by itself: WALs that SQLite might write, and some that it would not, turned into
// commands.
#include <gtest/gtest.h>

#include "engine/database/wal_epoch.h"
#include "tests/sim/seeded.h"

namespace quorlite::database {
namespace {

using Page = std::array<std::uint8_t, kPageSize>;

// Writes frames as SQLite does: the header of the WAL, then for each frame its header and its page,
// and after a commit the newest frame into the wal-index.
class WalWriter {
public:
    explicit WalWriter(WalEpoch& epoch) : epoch_(epoch), client_(std::make_shared<Client>()) {
        epoch_.index().add_client(client_);
        index_ = static_cast<std::uint8_t volatile*>(epoch_.index().map_region(0, true));
        begin();
    }

    // SQLite does so once all of it was checkpointed and no one reads.
    void begin() {
        frame_ = 0;
        const Bytes header(kWalHeaderBytes, 0x37);
        EXPECT_EQ(epoch_.write_wal(*client_, 0, header), 0);
        publish();
    }

    // A transaction; pages may occur twice. `garbage` frames of a cancelled one come before it.
    void commit(const std::vector<std::pair<PageNumber, Page>>& pages, PageNumber size,
                int garbage) {
        for (int i = 0; i < garbage; ++i)
            write(frame_ + static_cast<std::uint64_t>(i), 1, 0, Page{});
        for (std::size_t i = 0; i < pages.size(); ++i) {
            const bool last = i + 1 == pages.size();
            write(frame_++, pages[i].first, last ? size : 0, pages[i].second);
        }
        publish();
    }

    Client& client() { return *client_; }

private:
    void write(std::uint64_t frame, PageNumber number, PageNumber size, const Page& page) {
        Bytes header(kFrameHeaderBytes);
        for (std::size_t i = 0; i < 4; ++i) {
            header[3 - i] = static_cast<std::uint8_t>(number >> (8 * i));
            header[7 - i] = static_cast<std::uint8_t>(size >> (8 * i));
        }
        const std::uint64_t offset = kWalHeaderBytes + frame * kFrameBytes;
        ASSERT_EQ(epoch_.write_wal(*client_, offset, header), 0);
        ASSERT_EQ(epoch_.write_wal(*client_, offset + kFrameHeaderBytes, page), 0);
    }

    void publish() {
        for (std::size_t i = 0; i < 4; ++i)
            index_[16 + i] = static_cast<std::uint8_t>(frame_ >> (8 * i));
    }

    WalEpoch& epoch_;
    std::shared_ptr<Client> client_;
    std::uint8_t volatile* index_ = nullptr;
    std::uint64_t frame_ = 0;
};

void apply_command(PageStore& pages, ByteView command) {
    const auto header = validate_command(command);
    ASSERT_TRUE(header.has_value());
    if (header->first) pages.resize(header->floor, header->page_count);
    const Status patched = patch_pages(pages, command);
    ASSERT_TRUE(patched.ok()) << patched.error().message;
}

void expect_equal(const PageSet& a, const PageSet& b) {
    ASSERT_EQ(a.page_count, b.page_count);
    for (PageNumber number = 1; number <= a.page_count; ++number) {
        Page x;
        Page y;
        ASSERT_TRUE(a.read(number, x).ok());
        ASSERT_TRUE(b.read(number, y).ok());
        ASSERT_EQ(x, y) << "page " << number;
    }
}

class Capturing {
public:
    explicit Capturing(std::uint64_t seed) : random_(seed) { renew(); }

    void transaction() {
        const auto old_size = size_;
        if (random_.below(3) == 0) size_ = static_cast<PageNumber>(random_.between(1, 20));
        std::vector<std::pair<PageNumber, Page>> pages;
        for (std::uint64_t i = 0, count = random_.between(1, 6); i < count; ++i) {
            // Beyond the end: written before the transaction cut the database.
            const auto number =
                static_cast<PageNumber>(random_.between(1, std::max(size_, old_size)));
            Page page{};
            PageSet now = leader_->share();
            epoch_->overlay_committed(now);
            if (random_.below(2) == 0) {
                ASSERT_TRUE(now.read(number, page).ok());
                Page alone;
                ASSERT_TRUE(epoch_->read_committed(number, alone).ok());
                EXPECT_EQ(alone, page);
            }
            page[random_.below(kPageSize)] = static_cast<std::uint8_t>(random_.next());
            pages.emplace_back(number, page);
        }
        pages.emplace_back(1, Page{static_cast<std::uint8_t>(random_.next())});
        wal_->commit(pages, size_, static_cast<int>(random_.below(3)));
        const Capture capture = epoch_->take_capture(wal_->client());
        ASSERT_EQ(capture.own, Capture::Own::kIncluded);
        for (const auto& command : capture.commands) {
            log_.push_back(command);
            apply_command(follower_, *command);
        }
        epoch_->proposed(Index(log_.size()));
        epoch_->committed(Index(log_.size()));
        check();
    }

    void disturb() {
        switch (random_.below(8)) {
            case 0:
                ASSERT_TRUE(epoch_->checkpoint());
                break;
            case 1:
                ASSERT_TRUE(epoch_->checkpoint());
                wal_->begin();
                break;
            case 2:
                ASSERT_TRUE(epoch_->checkpoint());
                epoch_->release_checkpointed();
                break;
            case 3:
                epoch_->retire();
                renew();
                break;
            default:
                return;
        }
        check();
    }

    // The whole log once more, on top of its own result.
    void redo() {
        for (const auto& command : log_) apply_command(follower_, *command);
        check();
    }

private:
    void renew() {
        epoch_ = std::make_shared<WalEpoch>("test", leader_, WalEpoch::Limits{12'000, 1000});
        wal_ = std::make_unique<WalWriter>(*epoch_);
    }

    void check() {
        PageSet leader = leader_->share();
        epoch_->overlay_committed(leader);
        expect_equal(leader, follower_.share());
    }

    sim::Seeded random_;
    std::shared_ptr<PageStore> leader_ = std::make_shared<PageStore>(Base{});
    PageStore follower_{Base{}};
    std::shared_ptr<WalEpoch> epoch_;
    std::unique_ptr<WalWriter> wal_;
    PageNumber size_ = 1;
    std::vector<SharedBytes> log_;
};

TEST(Capture, FollowersHoldWhatTheLeaderHoldsWhateverTheWalSays) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        Capturing capturing(seed);
        for (int i = 0; i < 60; ++i) {
            capturing.transaction();
            capturing.disturb();
            if (testing::Test::HasFatalFailure()) return;
        }
        capturing.redo();
        if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(Capture, APageThatStartsFromZerosForgetsWhatItWas) {
    PageStore pages{Base{}};
    Page full;
    full.fill(0xff);
    Page little{};
    little[7] = 7;
    CommandEncoder first("test", 1, 2, 1u << 20);
    first.add(2, nullptr, full.data());
    apply_command(pages, *first.finish().front());
    CommandEncoder second("test", 2, 2, 1u << 20);
    second.add(2, nullptr, little.data());
    apply_command(pages, *second.finish().front());
    Page page;
    ASSERT_TRUE(pages.read(2, page).ok());
    EXPECT_EQ(page, little);
}

TEST(Capture, OnlyTheWalThatSqliteWritesIsTaken) {
    auto pages = std::make_shared<PageStore>(Base{});
    WalEpoch epoch("test", pages, {12'000, 3});
    WalWriter wal(epoch);
    const Bytes header(kFrameHeaderBytes);
    const auto write = [&](std::uint64_t offset, std::size_t bytes) {
        return epoch.write_wal(wal.client(), offset, Bytes(bytes));
    };
    EXPECT_NE(write(0, 7), 0);
    EXPECT_NE(write(kWalHeaderBytes + kFrameBytes, kFrameHeaderBytes), 0);  // leaves a gap
    EXPECT_NE(write(kWalHeaderBytes + 1, kFrameHeaderBytes), 0);
    wal.commit({{1, Page{}}}, 1, 0);
    EXPECT_NE(write(kWalHeaderBytes, kFrameHeaderBytes), 0);                 // committed
    EXPECT_NE(epoch.write_wal(wal.client(), 0, Bytes(kWalHeaderBytes)), 0);  // not checkpointed
    for (std::uint64_t i = 1; i < 4; ++i) {
        EXPECT_EQ(write(kWalHeaderBytes + i * kFrameBytes, kFrameHeaderBytes), 0);
        EXPECT_EQ(write(kWalHeaderBytes + i * kFrameBytes + kFrameHeaderBytes, kPageSize), 0);
    }
    EXPECT_NE(write(kWalHeaderBytes + 4 * kFrameBytes, kFrameHeaderBytes), 0);  // too large
    EXPECT_TRUE(wal.client().transaction_too_large);
    epoch.retire();
    EXPECT_NE(write(kWalHeaderBytes + kFrameBytes, kFrameHeaderBytes), 0);
}

}  // namespace
}  // namespace quorlite::database
