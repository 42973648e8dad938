// Entries of databases as lines, and back.
#include "../../src/commands/dbm_text.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

using namespace std::string_literals;

TEST(DbmText, EveryOctetComesBack) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    const std::string text = to_dbm_text(all);
    EXPECT_EQ(text.find_first_of("\t\n\r\0"s), text.npos);
    EXPECT_EQ(*from_dbm_text(text), all);
    const DbmEntry entry{all, all + all};
    EXPECT_EQ(*from_dbm_line(to_dbm_line(entry)), entry);
}

TEST(DbmText, AsPeopleReadIt) {
    EXPECT_EQ(to_dbm_text("b\xc3\xa4r"), "b\xc3\xa4r");
    EXPECT_EQ(to_dbm_text("a\tb\nc\\d\r\0\x7f"s), "a\\tb\\nc\\\\d\\015\\000\\177");
    EXPECT_EQ(to_dbm_line({"key", "a value"}), "key\ta value");
    EXPECT_EQ(*from_dbm_text("\\101\\377"), "A\xff");
    EXPECT_EQ(*from_dbm_line("\t"), (DbmEntry{"", ""}));
    EXPECT_EQ(*from_dbm_line("a\tb\tc"), (DbmEntry{"a", "b\tc"}));
}

TEST(DbmText, Mistakes) {
    for (const char* bad : {"\\", "a\\", "\\x", "\\1", "\\12", "\\400", "\\08 ", "\\N"})
        EXPECT_FALSE(from_dbm_text(bad)) << bad;
    EXPECT_EQ(from_dbm_line("no tab").problem(), "there is no tab between key and value");
    EXPECT_FALSE(from_dbm_line("\\\tb"));
    EXPECT_FALSE(from_dbm_line("a\t\\"));
    EXPECT_TRUE(from_dbm_line("a\t" + std::string(longest_dbm_line - 2, 'x')));
    EXPECT_EQ(from_dbm_line("a\t" + std::string(longest_dbm_line - 1, 'x')).problem(),
              "the line is longer than 1048576 octets");
}

}  // namespace
}  // namespace postoffice
