// Files that are not open all the time are the same files.
#include "engine/database/file_pool.h"

#include <vector>

#include "tests/database/support.h"

namespace quorlite::database {
namespace {

Bytes filled(std::uint8_t with) {
    return Bytes(8, with);
}

class FilePoolTest : public testing::Test {
protected:
    FilePoolTest() { disk.attach(executor); }

    std::unique_ptr<File> make(const std::string& name) {
        auto file = pool.open(name, OpenMode::kCreateEmpty, false);
        EXPECT_OK(file);
        return std::move(*file);
    }
    std::uint8_t first_byte(File& file) {
        Bytes bytes(8);
        const auto got = file.read(0, bytes);
        EXPECT_OK(got);
        return bytes.front();
    }

    test::TestExecutor executor;
    sim::SimDisk disk{1};
    FilePool pool{disk, 3};
};

TEST_F(FilePoolTest, KeepsAFewOpen) {
    std::vector<std::unique_ptr<File>> files;
    for (std::uint8_t i = 0; i < 20; ++i) {
        files.push_back(make("file" + std::to_string(i)));
        ASSERT_OK(files.back()->write(0, filled(i)));
        ASSERT_OK(files.back()->sync());
        EXPECT_LE(pool.open_count(), 3u);
    }
    for (int round = 0; round < 3; ++round) {
        for (std::uint8_t i = 0; i < 20; ++i) {
            EXPECT_EQ(first_byte(*files[i]), i);
            EXPECT_EQ(*files[i]->size(), 8u);
            EXPECT_LE(pool.open_count(), 3u);
        }
    }
    files.clear();
    EXPECT_EQ(pool.open_count(), 0u);
}

TEST_F(FilePoolTest, KeepsWhatIsNotSyncedOpen) {
    std::vector<std::unique_ptr<File>> files;
    for (std::uint8_t i = 0; i < 6; ++i) {
        files.push_back(make("file" + std::to_string(i)));
        ASSERT_OK(files.back()->write(0, filled(i)));
    }
    EXPECT_EQ(pool.open_count(), 6u);
    for (const auto& file : files) ASSERT_OK(file->sync());
    EXPECT_EQ(pool.open_count(), 3u);
    ASSERT_OK(files[0]->truncate(0));
    for (std::uint8_t i = 1; i < 6; ++i) EXPECT_EQ(first_byte(*files[i]), i);
    EXPECT_EQ(*files[0]->size(), 0u);
}

TEST_F(FilePoolTest, KeepsWhatIsRemovedForWhoeverHasIt) {
    std::vector<std::unique_ptr<File>> files;
    for (std::uint8_t i = 0; i < 6; ++i) {
        files.push_back(make("file" + std::to_string(i)));
        ASSERT_OK(files.back()->write(0, filled(i)));
        ASSERT_OK(files.back()->sync());
    }
    for (int i = 0; i < 6; ++i) ASSERT_OK(pool.remove("file" + std::to_string(i)));
    EXPECT_FALSE(disk.exists("file0"));
    for (std::uint8_t i = 0; i < 6; ++i) EXPECT_EQ(first_byte(*files[i]), i);
}

TEST_F(FilePoolTest, SaysWhenAFileCannotBeOpenedAgain) {
    std::vector<std::unique_ptr<File>> files;
    for (std::uint8_t i = 0; i < 6; ++i) files.push_back(make("file" + std::to_string(i)));
    ASSERT_OK(disk.remove("file0"));  // behind its back
    Bytes bytes(8);
    EXPECT_FALSE(files[0]->read(0, bytes).ok());
    EXPECT_FALSE(files[0]->write(0, bytes).ok());
    EXPECT_FALSE(files[0]->size().ok());
    EXPECT_FALSE(files[0]->sync().ok());
}

}  // namespace
}  // namespace quorlite::database
