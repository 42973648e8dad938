// Changes that the tools of domain owners make to texts, and how these get to the disk.
#include "../../src/commands/domains/domain_edits.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "../../src/commands/domains/changed_file.h"
#include "postoffice/base/error.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/routing/domain_files.h"

namespace postoffice {
namespace {

TEST(DomainEdits, Users) {
    const std::string passwd = "# ours\nbob:old\ncarol:x:1:1:Carol:/c:/bin/false\nlast:y";
    EXPECT_EQ(with_user(passwd, "BOB", "new"), "# ours\nbob:new\ncarol:x:1:1:Carol:/c:/bin/false\nlast:y\n");
    EXPECT_EQ(with_user(passwd, "carol", "new"),
              "# ours\nbob:old\ncarol:new:1:1:Carol:/c:/bin/false\nlast:y\n");
    EXPECT_EQ(with_user(passwd, "eve", "e"), passwd + "\neve:e\n");
    EXPECT_EQ(with_user("", "eve", "e"), "eve:e\n");
    EXPECT_EQ(without_user(passwd, "last"), "# ours\nbob:old\ncarol:x:1:1:Carol:/c:/bin/false\n");
    EXPECT_FALSE(without_user(passwd, "ours"));
    EXPECT_EQ(without_user("bob:1\nBob:2\n", "bob"), "") << "a second one must not come to light";
}

TEST(DomainEdits, Aliases) {
    const std::string aliases =
        "# ours\ninfo: bob,\n  carol,\n# not now: eve,\n\tdave\n\n# sales\nsales: bob\n*: bob\n";
    EXPECT_EQ(with_alias(aliases, "info", "eve"),
              "# ours\ninfo: eve\n# not now: eve,\n\n# sales\nsales: bob\n*: bob\n");
    EXPECT_EQ(without_alias(aliases, "SALES"),
              "# ours\ninfo: bob,\n  carol,\n# not now: eve,\n\tdave\n\n# sales\n*: bob\n");
    EXPECT_EQ(with_alias(aliases, "*", "carol").substr(aliases.size() - 7), "*: carol\n");
    EXPECT_EQ(with_alias("a: b", "c", "d"), "a: b\nc: d\n");
    EXPECT_EQ(with_alias("a: b\\", "c", "d"), "a: b\\\n\nc: d\n")
        << "a backslash takes the next line to its own";
    EXPECT_FALSE(without_alias(aliases, "not now"));
    EXPECT_FALSE(without_alias("", "x"));
    EXPECT_EQ(without_alias("a: 1\nb: 2\nA: 3,\n 4\n", "a"), "b: 2\n") << "nor must this";
    EXPECT_EQ(with_alias("a: 1\nb: 2\nA: 3,\n 4\n", "a", "5"), "a: 5\nb: 2\n");
}

TEST(DomainEdits, Domains) {
    const std::string domains = "# all\nalice:one.example:1:hers\n\n1001:two.example:0:\n";
    EXPECT_EQ(with_domain(domains, {"one.example", "alice", false, "hers", 0, ""}),
              "# all\nalice:one.example:0:hers\n\n1001:two.example:0:\n");
    EXPECT_EQ(with_domain(domains, {"three.example", "bob", true, "", 0, ""}),
              domains + "bob:three.example:1:\n");
    EXPECT_EQ(without_domain(domains, "one.example"), "# all\n\n1001:two.example:0:\n");
    EXPECT_FALSE(without_domain(domains, "all"));
    EXPECT_EQ(without_domain("a:x.example:1:\nb:X.example:1:\n", "x.example"), "");
}

TEST(DomainEdits, NewHashesAreGood) {
    const std::string hash = hash_password("correct horse");
    EXPECT_TRUE(hash.starts_with("$y$")) << hash;
    EXPECT_TRUE(is_password("correct horse", parse_stored_password(hash)));
    EXPECT_FALSE(is_password("correct horsf", parse_stored_password(hash)));
    EXPECT_NE(hash, hash_password("correct horse"));
    EXPECT_TRUE(parse_virtual_user("bob:" + hash)) << "fits into a line";
}

class ChangedFileTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "changed_file.XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string contents(const std::string& name) const {
        std::ostringstream all;
        all << std::ifstream(folder_ + "/" + name).rdbuf();
        return all.str();
    }
    mode_t mode_of(const std::string& name) const {
        struct stat status {};
        return ::stat((folder_ + "/" + name).c_str(), &status) == 0 ? status.st_mode & 0777 : 0;
    }
    void replace(const std::string& text) const { ChangedFile(folder_, "file", {}).replace(text); }
    void undo() const { ChangedFile(folder_, "file", {}).undo(); }

    std::string folder_;
};

TEST_F(ChangedFileTest, ReplacesAndGoesBack) {
    EXPECT_THROW(undo(), FormatError);
    replace("one\n");
    EXPECT_EQ(contents("file"), "one\n");
    EXPECT_EQ(mode_of("file"), 0600u);
    replace("two\n");
    undo();
    EXPECT_EQ(contents("file"), "one\n");
    undo();
    EXPECT_EQ(contents("file"), "two\n");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2) << "nothing else is left";
}

TEST_F(ChangedFileTest, KeepsTheMode) {
    std::ofstream(folder_ + "/file") << "old\n";
    ASSERT_EQ(::chmod((folder_ + "/file").c_str(), 0644), 0);
    replace("new\n");
    EXPECT_EQ(mode_of("file"), 0644u);
    undo();
    EXPECT_EQ(mode_of("file"), 0644u);
    EXPECT_EQ(contents("file"), "old\n");
}

TEST_F(ChangedFileTest, LeavesLinksAlone) {
    std::ofstream(folder_ + "/target") << "mine\n";
    std::filesystem::create_symlink("target", folder_ + "/file");
    EXPECT_THROW(replace("x"), FormatError);
    EXPECT_EQ(contents("target"), "mine\n");
    std::filesystem::remove(folder_ + "/file");
    std::filesystem::create_symlink("target", folder_ + "/file.new");
    replace("new\n");
    EXPECT_EQ(contents("file"), "new\n");
    EXPECT_EQ(contents("target"), "mine\n");
}

}  // namespace
}  // namespace postoffice
