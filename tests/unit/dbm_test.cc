// gdbm databases: damaged ones give an error, and are replaced in one step.
#include "postoffice/base/dbm.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"

namespace postoffice {
namespace {

class DbmTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "dbm_test.XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        path_ = directory_ + "/test.db";
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    void build(int entries) {
        DbmBuilder builder(path_, 0644, ::getgid());
        for (int i = 0; i < entries; ++i) builder.insert(fmt::format("name{}", i), fmt::format("value{}", i));
        builder.commit();
    }
    Dbm open() { return Dbm(disk::open(path_, O_RDONLY), path_); }
    std::size_t files() const {
        const std::filesystem::directory_iterator all(directory_);
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }

    std::string directory_;
    std::string path_;
};

TEST_F(DbmTest, AnErrorNamesTheDatabase) {
    try {
        DbmBuilder builder(directory_ + "/no/aliases.db", 0644, ::getgid());
        FAIL() << "there is no such folder";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.what(), "cannot write " + directory_ + "/no/aliases.db: No such file or directory");
    }
}

TEST_F(DbmTest, FindsWhatWasInserted) {
    build(3000);
    Dbm database = open();
    EXPECT_EQ(database.find("name0"), "value0");
    EXPECT_EQ(database.find("name2999"), "value2999");
    EXPECT_EQ(database.find("name3000"), std::nullopt);
    EXPECT_EQ(database.find(""), std::nullopt);
    EXPECT_EQ(database.find(std::string(100'000, 'x')), std::nullopt);
    EXPECT_EQ(files(), 1u);
}

TEST_F(DbmTest, KeepsOctetsOfAnyKind) {
    using namespace std::string_literals;
    DbmBuilder builder(path_, 0644, ::getgid());
    EXPECT_TRUE(builder.insert("a\0b"s, "\0\xff"s));
    EXPECT_TRUE(builder.insert("empty", ""));
    EXPECT_FALSE(builder.insert("empty", "again"));
    builder.commit();
    Dbm database = open();
    EXPECT_EQ(database.find("a\0b"s), "\0\xff"s);
    EXPECT_EQ(database.find("a"), std::nullopt);
    EXPECT_EQ(database.find("empty"), "");
}

TEST_F(DbmTest, ListsEveryEntryOnce) {
    build(3000);
    std::map<std::string, std::string> found;
    open().for_each([&](const std::string& key, const std::string& value) {
        EXPECT_TRUE(found.emplace(key, value).second) << key;
    });
    EXPECT_EQ(found.size(), 3000u);
    EXPECT_EQ(found["name2999"], "value2999");
    DbmBuilder(path_, 0644, ::getgid()).commit();
    open().for_each([](const std::string& key, const std::string&) { ADD_FAILURE() << key; });
}

TEST_F(DbmTest, ReadersSeeTheOldOneUntilTheyOpenTheNew) {
    build(1);
    Dbm old = open();
    build(2);
    EXPECT_EQ(old.find("name1"), std::nullopt);
    EXPECT_EQ(open().find("name1"), "value1");
}

TEST_F(DbmTest, WithoutCommitNothingChanges) {
    build(1);
    {
        DbmBuilder builder(path_, 0644, ::getgid());
        builder.insert("name0", "other");
    }
    EXPECT_EQ(open().find("name0"), "value0");
    EXPECT_EQ(files(), 1u);
}

TEST_F(DbmTest, ModeIsWhatWasAskedForWhateverTheUmask) {
    const mode_t mask = ::umask(077);
    build(1);
    ::umask(mask);
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0644u);
}

TEST_F(DbmTest, CannotBeBuiltWhereThereIsNoDirectory) {
    EXPECT_THROW(DbmBuilder(directory_ + "/none/test.db", 0644, ::getgid()), std::system_error);
}

TEST_F(DbmTest, OtherFilesAreNoDatabases) {
    std::ofstream(path_) << std::string(100'000, 'x');
    EXPECT_THROW(open(), FormatError);
    std::ofstream(path_, std::ios::trunc).close();
    EXPECT_THROW(open(), FormatError);
    EXPECT_THROW(Dbm(disk::open(directory_, O_RDONLY), directory_), FormatError);
}

/// Whether every one of the entries is found; a damaged database may throw instead, but never leave one out.
bool has_all(Dbm database, int entries) {
    for (int i = 0; i < entries; ++i)
        if (database.find(fmt::format("name{}", i)) != fmt::format("value{}", i)) return false;
    return true;
}

TEST_F(DbmTest, TruncatedAnywhereItIsAnErrorOrWhole) {
    build(1000);
    const auto size = std::filesystem::file_size(path_);
    int errors = 0;
    for (std::uintmax_t length = 0; length < size; length += 997) {
        build(1000);
        std::filesystem::resize_file(path_, length);
        try {
            EXPECT_TRUE(has_all(open(), 1000)) << "cut at " << length;
        } catch (const FormatError&) {
            ++errors;
        }
    }
    EXPECT_GT(errors, 50);
}

TEST_F(DbmTest, TruncatedWhileOpenItIsAnError) {
    build(5000);
    Dbm database = open();
    EXPECT_EQ(database.find("name7"), "value7");
    std::filesystem::resize_file(path_, 100);
    const auto read_all = [&] {
        for (int i = 0; i < 5000; ++i) (void)database.find(fmt::format("name{}", i));
    };
    EXPECT_THROW(read_all(), FormatError);
}

TEST_F(DbmTest, DamageNeverEndsTheProcess) {
    build(200);
    const Fd file = disk::open(path_, O_RDONLY);
    const std::string whole = disk::read_all(file.get(), 1u << 20);
    unsigned random = 1;
    const auto next = [&] { return random = random * 1664525u + 1013904223u; };
    for (int round = 0; round < 500; ++round) {
        std::string damaged = whole;
        const std::size_t area = round % 2 == 0 ? damaged.size() : 512;
        for (int i = 0; i <= round % 8; ++i) damaged[next() % area] = static_cast<char>(next() >> 24);
        std::ofstream(path_, std::ios::trunc | std::ios::binary) << damaged;
        try {
            Dbm database = open();
            for (int i = 0; i < 200; ++i) (void)database.find(fmt::format("name{}", i));
        } catch (const FormatError& error) {
            EXPECT_NE(std::string(error.what()), "");
        }
        try {
            open().for_each([](const std::string&, const std::string&) {});
        } catch (const FormatError& error) {
            EXPECT_NE(std::string(error.what()), "");
        }
    }
}

TEST_F(DbmTest, FullDiskIsAnErrorAndLeavesTheOldOne) {
    // A limit on the size of files stands in for the disk.
    build(1);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{65536, 65536};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        try {
            build(20'000);
        } catch (const std::exception&) {
            ::_exit(files() == 1 ? 0 : 2);
        }
        ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(open().find("name0"), "value0");
}

}  // namespace
}  // namespace postoffice
