// Tables that people write: what an entry is, and that changes of the file are noticed.
#include "postoffice/config/text_table.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "../support/temporary_folder.h"

namespace postoffice {
namespace {

std::string result_in_short(std::string_view text) {
    std::string all;
    for (const TableRow& row : parse_table(text))
        all +=
            std::to_string(row.line) + ":" + row.key + "=" + row.value + (row.problem.empty() ? ";" : "!;");
    return all;
}

TEST(TableText, EntriesAndWhatContinuesThem) {
    struct Case {
        std::string_view text, entries;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"", ""},
             {"\n# a comment\n   # another\n", ""},
             {"A.Test  smtp:[X]:25 \n", "1:a.test=smtp:[X]:25;"},
             {"a\n", "1:a=;"},
             {"a 1", "1:a=1;"},
             {"a\t1\r\nb 2\r\n", "1:a=1;2:b=2;"},
             {"a 1,\n  2\n\t3\nb 4\n", "1:a=1, 2 3;4:b=4;"},
             {"a 1,\n# between\n\n  2\n", "1:a=1, 2;"},
             {"  x 1\nb 2\n", "1:=!;2:b=2;"},
             {"a 1\nA 2\n", "1:a=1;2:a=2!;"},
             {"\xEF\xBB\xBF"
              "a 1\n",
              "1:a=1;"},
             {".b\xC3\xBC"
              "cher.test 1\n",
              "1:.xn--bcher-kva.test=1;"},
             {"a@B\xC3\xBC"
              "cher.test 1\n",
              "1:a@xn--bcher-kva.test=1;"},
             {"\xFF\x01 1\n", "1:\xFF\x01=1;"},
         })
        EXPECT_EQ(result_in_short(c.text), c.entries) << c.text;
    EXPECT_EQ(result_in_short(std::string_view("a\0b 1\n", 6)), (std::string("1:a\0b=1;", 8)));
}

class TextTableTest : public testing::Test {
  protected:
    void write(const std::string& text) {
        std::ofstream(path_ + ".new") << text;
        std::filesystem::rename(path_ + ".new", path_);
        table_.refresh();
    }
    std::string value_of(std::string_view key) const {
        const auto row = table_.find(key);
        return row ? row->value + "@" + std::to_string(row->line) : "-";
    }

    test::TemporaryFolder folder_;
    std::string path_ = folder_.path() + "/table";
    TextTable table_{path_};
};

TEST_F(TextTableTest, FindsTheFirstEntryOfAKey) {
    write("# x\na 1\nb 2,\n  3\na 4\n");
    EXPECT_EQ(table_.problem(), "");
    EXPECT_EQ(value_of("a"), "1@2");
    EXPECT_EQ(value_of("b"), "2, 3@3");
    EXPECT_EQ(value_of("c"), "-");
    EXPECT_EQ(table_.rows().size(), 3u);
}

TEST_F(TextTableTest, FindsEachOfManyEntries) {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += "d" + std::to_string(i) + ".test v" + std::to_string(i) + "\n";
    write(text);
    for (int i = 0; i < 20000; ++i)
        ASSERT_EQ(value_of("d" + std::to_string(i) + ".test"),
                  "v" + std::to_string(i) + "@" + std::to_string(i + 1));
}

TEST_F(TextTableTest, ChangesAreNoticed) {
    table_.refresh();
    EXPECT_EQ(table_.problem(), path_ + ": No such file or directory");
    write("a 1\n");
    EXPECT_EQ(table_.problem(), "");
    EXPECT_EQ(value_of("a"), "1@1");
    write("a 2\n");
    EXPECT_EQ(value_of("a"), "2@1");
    std::filesystem::remove(path_);
    table_.refresh();
    EXPECT_NE(table_.problem(), "");
    EXPECT_EQ(value_of("a"), "-");
}

TEST_F(TextTableTest, AFileThatOthersMayWriteIsNotUsed) {
    write("a 1\n");
    ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
    table_.refresh();
    EXPECT_NE(table_.problem().find("can be written by all users"), std::string::npos) << table_.problem();
    EXPECT_EQ(value_of("a"), "-");
}

}  // namespace
}  // namespace postoffice
