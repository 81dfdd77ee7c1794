// A header of the wal-index that another thread is in the middle of publishing.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>

#include "engine/database/wal_epoch.h"

namespace quorlite::database {
namespace {

constexpr std::size_t kNewestFrameOffset = 16;  // mxFrame, sqlite.org/walformat.html section 2

class PublishedHeader : public testing::Test {
protected:
    PublishedHeader() {
        region_ = epoch_.index().map_region(0, true);
        const std::array<std::uint8_t, 32> wal_header{};
        EXPECT_EQ(epoch_.write_wal(*writer_, 0, wal_header), 0);
    }

    // One page, which the WAL holds as its next frame.
    void commit() {
        std::array<std::uint8_t, 24> header{};
        header[3] = header[7] = 1;  // page 1 of a database of one page
        const std::array<std::uint8_t, kPageSize> page{};
        EXPECT_EQ(epoch_.write_wal(*writer_, epoch_.wal_size(), header), 0);
        EXPECT_EQ(epoch_.write_wal(*writer_, epoch_.wal_size() + header.size(), page), 0);
    }

    // Both copies of the header say that so many frames are there; of the first so many bytes are
    // written.
    void publish(std::uint32_t frames, std::size_t written = kWalIndexHeaderBytes) {
        WalIndexHeader header;
        header.fill(static_cast<std::uint8_t>(0xa0 + frames));
        std::memcpy(header.data() + kNewestFrameOffset, &frames, sizeof frames);
        auto* const region =
            const_cast<std::uint8_t*>(static_cast<volatile std::uint8_t*>(region_));
        std::memcpy(region + kWalIndexHeaderBytes, header.data(), header.size());
        std::memcpy(region, header.data(), written);
    }

    // Whether others could be shown what is committed, with one more transaction under way.
    bool can_show_committed() {
        EXPECT_FALSE(epoch_.take_capture(*writer_).commands.empty());
        epoch_.proposed(Index(1));
        epoch_.committed(Index(1));
        publish(1);
        commit();
        epoch_.count_at_work(1);
        return epoch_.show_committed(*reader_);
    }

    WalEpoch epoch_{"test.db",
                    std::make_shared<PageStore>(Base{.file = nullptr, .page_count = 0}),
                    {.command_bytes_max = 1u << 20, .transaction_frames_max = 100}};
    std::shared_ptr<Client> writer_ = std::make_shared<Client>();
    std::shared_ptr<Client> reader_ = std::make_shared<Client>();
    void volatile* region_ = nullptr;
};

TEST_F(PublishedHeader, IsShownOnceItIsWhole) {
    commit();
    publish(1);
    EXPECT_TRUE(can_show_committed());
    epoch_.index().hide_committed();
}

TEST_F(PublishedHeader, IsNotTakenBeforeItIsThere) {
    commit();
    EXPECT_FALSE(can_show_committed());
}

TEST_F(PublishedHeader, IsNotTakenWhileItIsWritten) {
    commit();
    publish(1, 32);  // its number of frames is there, its checksum is not
    EXPECT_FALSE(can_show_committed());
}

}  // namespace
}  // namespace quorlite::database
