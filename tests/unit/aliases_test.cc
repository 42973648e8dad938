// The alias file, the database made from it, and what stands in when one of them is broken.
#include "postoffice/routing/aliases.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "postoffice/base/error.h"
#include "postoffice/commands/commands.h"

namespace postoffice {
namespace {

AliasEntry only_entry(std::string_view text) {
    const auto entries = parse_alias_file(text);
    EXPECT_EQ(entries.size(), 1u);
    return entries.empty() ? AliasEntry() : entries.front();
}

/// "kind:text" of each target, with a blank between them.
std::string targets_of(std::string_view value) {
    const auto targets = parse_alias_value(value);
    if (!targets) return "error: " + targets.problem();
    std::string joined;
    for (const AliasTarget& target : *targets) {
        constexpr const char* kinds[] = {"", "account:", "include:", "program:", "file:"};
        joined += joined.empty() ? "" : " ";
        joined += kinds[static_cast<int>(target.kind)];
        joined += target.text.empty() ? target.address.to_string() : target.text;
    }
    return joined;
}

TEST(AliasFile, NamesValuesAndLines) {
    const auto entries =
        parse_alias_file("# comment\n\nRoot: bob\nteam :a,\n\tb,\n# between\n  c\r\n\nlast:x");
    ASSERT_EQ(entries.size(), 3u);
    EXPECT_EQ(entries[0].name, "root");
    EXPECT_EQ(entries[0].value, "bob");
    EXPECT_EQ(entries[0].line, 3u);
    EXPECT_EQ(entries[1].name, "team");
    EXPECT_EQ(entries[1].value, "a, b, c");
    EXPECT_EQ(entries[1].line, 4u);
    EXPECT_EQ(entries[2].name, "last");
    EXPECT_EQ(entries[2].line, 9u);
    for (const AliasEntry& entry : entries) EXPECT_EQ(entry.problem, "");
}

TEST(AliasFile, QuotedNames) {
    EXPECT_EQ(only_entry("\"First Last\": bob").name, "first last");
    EXPECT_EQ(only_entry("\"a:b\": bob").name, "a:b");
    EXPECT_EQ(only_entry("\"a\\\"b\": bob").name, "a\"b");
    EXPECT_EQ(only_entry("a: \"x:y\"@z.example").value, "\"x:y\"@z.example");
}

TEST(AliasFile, ABackslashTakesTheNextLine) {
    const auto entries = parse_alias_file("team: a, \\\nb, \\\n  c\nlast: \\\n# no comment\n x\n");
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[0].value, "a, b, c");
    EXPECT_EQ(entries[0].last_line, 3u);
    EXPECT_EQ(entries[1].line, 4u);
}

TEST(AliasFile, AByteOrderMarkIsNoPartOfTheFirstName) {
    EXPECT_EQ(only_entry("\xef\xbb\xbfinfo: bob\n").name, "info");
    const auto lines = include_lines("\xef\xbb\xbf# a list\nbob\n");
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0].value, "bob");
}

TEST(AliasFile, BrokenLinesKeepTheNameTheyMeant) {
    EXPECT_EQ(only_entry("Info bob").name, "info");
    EXPECT_NE(only_entry("Info bob").problem, "");
    EXPECT_NE(only_entry("info:").problem, "");
    EXPECT_NE(only_entry("info:   \n").problem, "");
    EXPECT_NE(only_entry(": bob").problem, "");
    EXPECT_NE(only_entry("\"info: bob").problem, "");
    EXPECT_NE(only_entry("bob@host.example: alice").problem, "");
    EXPECT_NE(only_entry(std::string_view("a\0b: c", 6)).problem, "");
    EXPECT_NE(only_entry("  continued").problem, "");
}

TEST(AliasFile, DuplicatesAreBrokenExceptTheFirst) {
    const auto entries = parse_alias_file("bob: a\nalice: b\nBOB: c\n");
    ASSERT_EQ(entries.size(), 3u);
    EXPECT_EQ(entries[0].problem, "");
    EXPECT_EQ(entries[2].problem, "bob is already in line 1");
}

TEST(AliasValue, Kinds) {
    EXPECT_EQ(targets_of("bob, Alice@A.example"), "bob Alice@a.example");
    EXPECT_EQ(targets_of("\\bob,bob@elsewhere.example"), "account:bob bob@elsewhere.example");
    EXPECT_EQ(targets_of(":include:/etc/lists/team"), "include:/etc/lists/team");
    EXPECT_EQ(targets_of("\":include:/etc/my lists/team\""), "include:/etc/my lists/team");
    EXPECT_EQ(targets_of("\"|/usr/bin/filter -a, -b \\\"c\\\"\", bob"),
              "program:/usr/bin/filter -a, -b \"c\" bob");
    EXPECT_EQ(targets_of("|/usr/bin/filter"), "program:/usr/bin/filter");
    EXPECT_EQ(targets_of("/var/mail/archive"), "file:/var/mail/archive");
    EXPECT_EQ(targets_of("\"Public, Bob\" <bob@a.example>, (a, b) c"), "bob@a.example c");
    EXPECT_EQ(targets_of("\"a b\"@c.example"), "\"a b\"@c.example");
    EXPECT_EQ(targets_of("a,,b,"), "a b");
}

TEST(AliasValue, PlacesDecideWhatAPathCanBe) {
    EXPECT_FALSE(parse_alias_value("~/box"));
    EXPECT_FALSE(parse_alias_value("Mail/"));
    for (const AliasPlace place : {AliasPlace::domain, AliasPlace::home}) {
        const auto targets = parse_alias_value("~/box", place);
        ASSERT_TRUE(targets) << targets.problem();
        EXPECT_EQ(targets->front().kind, AliasTarget::Kind::file);
    }
    const auto other = parse_alias_value("@other.example", AliasPlace::domain);
    ASSERT_TRUE(other) << other.problem();
    EXPECT_EQ(other->front().address.to_string(), "*@other.example");
    EXPECT_FALSE(parse_alias_value("@other.example"));
}

TEST(AliasValue, CommentsAreNoDestinations) {
    EXPECT_EQ(targets_of("(a, b) bob, (c)"), "bob");
    EXPECT_TRUE(parse_destinations("(nobody), (at all)", AliasPlace::host)->empty());
    EXPECT_FALSE(parse_alias_value("(nobody)"));
}

TEST(AliasValue, Broken) {
    for (const char* value :
         {"", ",", " , ", "a b", "a@", "<>", "\"a", "a, b@@c", ":include:", ":include:team", "\\"})
        EXPECT_FALSE(parse_alias_value(value)) << value;
    EXPECT_EQ(alias_value_problem("a, b@c.example"), "");
    EXPECT_EQ(alias_value_problem("|cat, /dev/null"), "");
    EXPECT_EQ(alias_value_problem("| "), "|: no command after the bar");
}

class AliasTableTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "aliases_test.XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        source_ = directory_ + "/aliases";
        database_ = alias_database(source_);
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    static void write(const std::string& path, std::string_view text) {
        std::ofstream(path, std::ios::trunc | std::ios::binary) << text;
    }
    /// Makes the database from `text`, which need not be what the source says.
    void build(std::string_view text) {
        if (!std::filesystem::exists(source_)) write(source_, text);
        build_alias_database(source_, parse_alias_file(text));
    }
    static std::optional<std::string> find(AliasTable& table, const std::string& name) {
        table.refresh();
        return table.find(name);
    }

    std::string directory_;
    std::string source_;
    std::string database_;
};

TEST_F(AliasTableTest, NothingThereIsNoAlias) {
    AliasTable table(source_);
    EXPECT_EQ(find(table, "root"), std::nullopt);
    AliasTable none("");
    EXPECT_EQ(find(none, "root"), std::nullopt);
}

TEST_F(AliasTableTest, DatabaseIsAskedInAnyCase) {
    build("Root: bob\n\"First Last\": alice\n");
    AliasTable table(source_);
    EXPECT_EQ(find(table, "root"), "bob");
    EXPECT_EQ(find(table, "ROOT"), "bob");
    EXPECT_EQ(find(table, "first last"), "alice");
    EXPECT_EQ(find(table, "nobody"), std::nullopt);
    EXPECT_EQ(find(table, "@"), std::nullopt);
}

TEST_F(AliasTableTest, DatabaseWinsOverTextAndIsReopenedWhenReplaced) {
    write(source_, "root: text\n");
    AliasTable table(source_);
    EXPECT_EQ(find(table, "root"), "text");
    build("root: first\n");
    EXPECT_EQ(find(table, "root"), "first");
    build("root: second\n");
    EXPECT_EQ(find(table, "root"), "second");
    std::filesystem::remove(database_);
    EXPECT_EQ(find(table, "root"), "text");
    std::filesystem::remove(source_);
    EXPECT_EQ(find(table, "root"), std::nullopt);
}

TEST_F(AliasTableTest, TextIsReadAgainWhenItChanged) {
    write(source_, "root: a\n");
    AliasTable table(source_);
    EXPECT_EQ(find(table, "root"), "a");
    write(source_, "root: longer\n");
    EXPECT_EQ(find(table, "root"), "longer");
}

TEST_F(AliasTableTest, BrokenLineOfTheTextHoldsOnlyItsName) {
    write(source_, "info bob\nroot: bob\n");
    AliasTable table(source_);
    EXPECT_EQ(find(table, "root"), "bob");
    EXPECT_EQ(find(table, "alice"), std::nullopt);
    EXPECT_THROW(find(table, "Info"), FormatError);
}

TEST_F(AliasTableTest, TextStandsInForABrokenDatabase) {
    build("root: database\nx: y\n");
    write(source_, "root: text\n");
    write(database_, "rubbish");
    AliasTable table(source_);
    EXPECT_EQ(find(table, "root"), "text");
    EXPECT_EQ(find(table, "x"), std::nullopt);
    build("root: mended\n");
    EXPECT_EQ(find(table, "root"), "mended");
}

TEST_F(AliasTableTest, DatabaseWithoutCookieIsNotComplete) {
    write(source_, "root: text\n");
    DbmBuilder builder(database_, 0644, ::getgid());
    builder.insert("root", "database");
    builder.commit();
    AliasTable table(source_);
    EXPECT_EQ(find(table, "root"), "text");
}

TEST_F(AliasTableTest, BrokenDatabaseWithoutTextIsNoAnswer) {
    write(database_, "rubbish");
    AliasTable table(source_);
    EXPECT_THROW(find(table, "root"), FormatError);
    EXPECT_THROW(find(table, "root"), FormatError);
    std::filesystem::create_directory(source_);
    std::filesystem::remove(database_);
    EXPECT_THROW(find(table, "root"), std::system_error);
}

TEST_F(AliasTableTest, DatabaseCutWhileOpenFallsBackToTheText) {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += fmt::format("name{}: value{}\n", i, i);
    build(text);
    AliasTable table(source_);
    EXPECT_EQ(find(table, "name1"), "value1");
    std::filesystem::resize_file(database_, 8192);
    for (int i = 0; i < 5000; ++i) ASSERT_EQ(table.find(fmt::format("name{}", i)), fmt::format("value{}", i));
}

TEST_F(AliasTableTest, ChildOpensItsOwnDatabase) {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += fmt::format("name{}: value{}\n", i, i);
    build(text);
    AliasTable table(source_);
    ASSERT_EQ(find(table, "name1"), "value1");
    const auto all_found = [&] {
        for (int i = 0; i < 2000; ++i)
            if (find(table, fmt::format("name{}", i)) != fmt::format("value{}", i)) return false;
        return true;
    };
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(all_found() && all_found() ? 0 : 1);
    EXPECT_TRUE(all_found());
    EXPECT_TRUE(all_found());
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(AliasTableTest, IncludedFiles) {
    write(source_, "");
    const std::string list = directory_ + "/list";
    write(list, "# members\na@b.example, c\n\n  d\n");
    const AliasTable table(source_);
    const auto lines = table.read_include(list);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0].value, "a@b.example, c");
    EXPECT_EQ(lines[0].line, 2u);
    EXPECT_EQ(lines[1].value, "d");
    EXPECT_EQ(lines[1].line, 4u);

    std::filesystem::permissions(list, std::filesystem::perms::others_write,
                                 std::filesystem::perm_options::add);
    EXPECT_THROW(table.read_include(list), FormatError);
    EXPECT_THROW(table.read_include(directory_), FormatError);
    EXPECT_THROW(table.read_include("/dev/zero"), FormatError);
    EXPECT_THROW(table.read_include(directory_ + "/none"), std::system_error);
    const std::string fifo = directory_ + "/fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_THROW(table.read_include(fifo), FormatError);
}

TEST_F(AliasTableTest, IncludedFileMustBelongToRootOrToTheOwnerOfTheAliases) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
    write(source_, "");
    const std::string list = directory_ + "/list";
    write(list, "a\n");
    ASSERT_EQ(::chown(list.c_str(), 12345, 12345), 0);
    const AliasTable table(source_);
    EXPECT_THROW(table.read_include(list), FormatError);
    ASSERT_EQ(::chown(source_.c_str(), 12345, 12345), 0);
    EXPECT_EQ(table.read_include(list).size(), 1u);
}

class NewaliasesTest : public AliasTableTest {
  protected:
    int run(std::vector<std::string> words = {}) {
        Config config;
        config.routing.aliases = source_;
        CommandLine line;
        line.program = "newaliases";
        line.words = std::move(words);
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        const int status = rebuild_aliases(config, line);
        output_ = testing::internal::GetCapturedStdout();
        errors_ = testing::internal::GetCapturedStderr();
        return status;
    }
    std::string output_;
    std::string errors_;
};

TEST_F(NewaliasesTest, LeavesTheDatabaseOfAnotherMailSystemAlone) {
    write(source_, "root: bob\n");
    write(source_ + ".db", "a hash of another mail system");
    EXPECT_EQ(run(), 0);
    std::string text;
    std::getline(std::ifstream(source_ + ".db"), text);
    EXPECT_EQ(text, "a hash of another mail system");
    AliasTable table(source_);
    EXPECT_EQ(find(table, "root"), "bob");
}

TEST_F(NewaliasesTest, SaysWhatItMade) {
    write(source_, "root: bob\nteam: alice, bob\n");
    EXPECT_EQ(run(), 0);
    EXPECT_EQ(output_, source_ + ": 2 aliases, longest 10 bytes, 13 bytes total\n");
    EXPECT_EQ(errors_, "");
    AliasTable table(source_);
    EXPECT_EQ(find(table, "team"), "alice, bob");
    Dbm database(Fd(::open(database_.c_str(), O_RDONLY)), database_);
    EXPECT_EQ(database.find("@"), "@");
}

TEST_F(NewaliasesTest, BrokenLinesLeaveTheOldDatabase) {
    build("root: old\n");
    write(source_, "root: new\n\nfilter: |\narchive: :include:tmp\nroot: again\nbad: a b\nno colon\n");
    EXPECT_EQ(run(), 65);
    EXPECT_EQ(output_, "");
    for (const char* line : {":3: ", ":4: ", ":5: ", ":6: ", ":7: "})
        EXPECT_NE(errors_.find(source_ + line), std::string::npos) << line << " in " << errors_;
    EXPECT_EQ(errors_.find(source_ + ":1: "), std::string::npos);
    AliasTable table(source_);
    EXPECT_EQ(find(table, "root"), "old");
}

TEST_F(NewaliasesTest, ExitCodes) {
    EXPECT_EQ(run(), 66);
    write(source_, "root: bob\n");
    EXPECT_EQ(run({"virtual.example"}), 68);
    EXPECT_NE(errors_.find("virtual.example"), std::string::npos);
    std::filesystem::create_directory(database_);
    write(database_ + "/occupied", "");
    EXPECT_EQ(run(), 73);
    EXPECT_NE(errors_, "");
}

TEST_F(NewaliasesTest, DatabaseCanBeReadByWhoeverCanReadTheText) {
    write(source_, "root: bob\n");
    std::filesystem::permissions(source_, std::filesystem::perms(0640));
    EXPECT_EQ(run(), 0);
    EXPECT_EQ(std::filesystem::status(database_).permissions(), std::filesystem::perms(0640));
}

}  // namespace
}  // namespace postoffice
