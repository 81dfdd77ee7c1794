// The bytes of databases on disk: a change of a format shows as a diff of golden/*.txt.
// spec/disk-format.md says what they are, and SQLite's own format what is in the files.

#include "tests/support/golden.h"

#include "engine/database/base_file.h"
#include "engine/database/manifest.h"
#include "tests/database/support.h"

namespace quorlite::database {
namespace {

using test::hex_dump;

void expect_golden(const std::string& name, const std::string& text) {
    const std::string mismatch =
        test::golden_mismatch(QUORLITE_SOURCE_DIR "/tests/database/golden/" + name, text);
    EXPECT_TRUE(mismatch.empty()) << mismatch;
}

class GoldenDatabase : public testing::Test {
protected:
    GoldenDatabase() {
        disk_.attach(executor_);
        EXPECT_TRUE(disk_.make_directory("databases").ok());
    }
    std::string dump_of(const std::string& file) {
        return file + "\n" + hex_dump(disk_.content(file)) + "\n";
    }

    test::TestExecutor executor_;
    sim::SimDisk disk_{1};
};

TEST_F(GoldenDatabase, Manifest) {
    const auto opened = ManifestFile::open(disk_);
    ASSERT_TRUE(opened.ok());
    ManifestFile& manifest = **opened;
    ASSERT_TRUE(manifest.ensure().ok());
    std::string text = "# of a node without databases\n" + dump_of("databases/manifest.0") +
                       dump_of("databases/manifest.1");
    const auto change = [](Manifest& content) {
        const std::string_view members = "members";
        content.point = {Index(0x2000), Term(6),
                         std::make_shared<const Bytes>(members.begin(), members.end())};
        content.next_number = 0x13;
        content.entries = {{.number = 0x11,
                            .name = "app",
                            .at = Index(0x2001),
                            .flushing_to = {},
                            .page_count = 9},
                           {.number = 0x12,
                            .name = "flushing",
                            .at = Index(0x2002),
                            .flushing_to = Index(0x2345),
                            .page_count = 0}};
        return true;
    };
    ASSERT_TRUE(manifest.update(change).ok());
    text +=
        "# snapshot point 0x2000 of term 6; next number 0x13; 0x11 is app at 0x2001 with 9 pages,\n"
        "# 0x12 is flushing, at 0x2002, to 0x2345\n";
    text += dump_of("databases/manifest.0") + dump_of("databases/manifest.1");
    expect_golden("manifest.txt", text);
}

TEST_F(GoldenDatabase, BaseFile) {
    auto created = create_base_file(disk_, 0x2b);
    ASSERT_TRUE(created.ok());
    BaseFile& file = **created;
    Bytes page(kPageSize, 'p');
    ASSERT_TRUE(file.write(0, page).ok());
    page.assign(kPageSize, 'q');
    ASSERT_TRUE(file.write(2 * kPageSize, page).ok());
    ASSERT_TRUE(file.sync().ok());
    expect_golden("base_file.txt", "# page 1 of p, page 3 of q; nobody wrote page 2\n" +
                                       dump_of(base_file_name(0x2b)) +
                                       dump_of(sums_file_name(0x2b)));
}

}  // namespace
}  // namespace quorlite::database
