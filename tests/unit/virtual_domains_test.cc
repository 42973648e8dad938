// Virtual domains: what domains.cf says, what a domain's own files say, and whose files are believed.
#include "postoffice/routing/virtual_domains.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "log_lines.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

using EntryStatus = DomainEntry::Status;

TEST(Domains, FieldsAndComments) {
    const auto domains = parse_domains(
        "# owner:domain:active:comment\n\nalice:One.Example:1:Alice's: all of it\n"
        " 1001 : two.example : 0 :\r\nroot:three.example:7\n");
    ASSERT_EQ(domains.size(), 3u);
    EXPECT_EQ(domains[0].name, "one.example");
    EXPECT_EQ(domains[0].owner, "alice");
    EXPECT_TRUE(domains[0].active);
    EXPECT_EQ(domains[0].comment, "Alice's: all of it");
    EXPECT_EQ(domains[0].line, 3u);
    EXPECT_EQ(domains[1].owner, "1001");
    EXPECT_EQ(domains[1].name, "two.example");
    EXPECT_FALSE(domains[1].active) << "the field is there, and says no";
    EXPECT_TRUE(domains[2].active);
    for (const auto& domain : domains) EXPECT_EQ(domain.problem, "");
}

TEST(Domains, AByteOrderMarkIsNoPartOfThem) {
    EXPECT_EQ(parse_domains("\xef\xbb\xbf"
                            "alice:one.example:1:\n")[0]
                  .owner,
              "alice");
    EXPECT_EQ(parse_virtual_user("\xef\xbb\xbfvera:x")->name, "vera");
}

TEST(Domains, WithSubdomains) {
    const auto domains =
        parse_domains("alice:.One.example:1:\nbob:one.example:1:\nbob:.:1:\nbob:..x.example:1:\n");
    ASSERT_EQ(domains.size(), 4u);
    EXPECT_EQ(domains[0].name, "one.example");
    EXPECT_TRUE(domains[0].with_subdomains);
    EXPECT_EQ(domains[0].problem, "");
    for (std::size_t i = 1; i < domains.size(); ++i) EXPECT_NE(domains[i].problem, "") << i;
}

TEST(Domains, BrokenLinesKeepTheirNames) {
    const auto domains = parse_domains(
        "alice:one.example\nalice:two.example:yes:\n:three.example:1:\nalice:../etc:1:\nalice\n"
        "bob:four.example:1:\ncarol:FOUR.example:1:\nal\x01ice:five.example:1:\n" +
        std::string(65, 'x') + ":six.example:1:\n");
    ASSERT_EQ(domains.size(), 9u);
    for (std::size_t i = 0; i < domains.size(); ++i)
        EXPECT_EQ(domains[i].problem.empty(), domains[i].name == "four.example" && domains[i].owner == "bob")
            << i << " " << domains[i].problem;
    EXPECT_EQ(domains[0].name, "one.example");
    EXPECT_FALSE(domains[0].active);
    EXPECT_NE(domains[6].problem.find("already in line 6"), std::string::npos);
}

TEST(VirtualUsers, BothForms) {
    const auto shortly = parse_virtual_user("bob:$6$x$y\r");
    ASSERT_TRUE(shortly);
    EXPECT_EQ(shortly->name, "bob");
    EXPECT_EQ(shortly->hash, "$6$x$y");
    const auto longer = parse_virtual_user("bob:hash:0:0:Bob B.:/etc:/bin/false");
    ASSERT_TRUE(longer);
    EXPECT_EQ(longer->hash, "hash");
    EXPECT_EQ(longer->uid, "0");
    EXPECT_EQ(longer->home, "/etc");
    for (const std::string& line :
         {std::string(), std::string("# bob:hash"), std::string(":hash"), std::string("bob"),
          std::string("bob:hash:1000"), std::string("a/b:hash"), std::string(".:hash"),
          std::string("..:hash"), std::string("-f:hash"), std::string("*:hash"), std::string("a b:hash"),
          std::string("a@b:hash"), std::string("b\x01:hash"), std::string("b\xc3\xb6:hash"),
          std::string("a\0b:hash", 8), std::string(65, 'x') + ":hash"})
        EXPECT_FALSE(parse_virtual_user(line)) << line;
}

TEST(VirtualUsers, TheLongFormNamesTheOwnerOrNobody) {
    const Account owner{"alice", 1001, 1001, "/home/alice", "", ""}, root{"root", 0, 0, "/root", "", ""};
    const auto standing = [](const std::string& uid, const std::string& home, const Account& account) {
        return identity_of({"vera", "x", uid, home}, account, 8);
    };
    EXPECT_EQ(standing("", "", owner), UserIdentity::in_domain);
    EXPECT_EQ(standing("", "/home/alice", owner), UserIdentity::in_domain);
    EXPECT_EQ(standing("1001", ".", owner), UserIdentity::in_domain);
    EXPECT_EQ(standing("1001", "", owner), UserIdentity::in_domain);
    EXPECT_EQ(standing("1001", "/home/alice/vera", owner), UserIdentity::in_domain);
    EXPECT_EQ(standing("1001", "/home/alice", owner), UserIdentity::owner);
    EXPECT_EQ(standing("1001", "/home/alice/", owner), UserIdentity::owner);
    for (const std::string uid : {"0", "1002", "-1", "alice", "01001x", "99999999999999999999"})
        for (const std::string home : {"/home/alice", "/root", ".", ""})
            EXPECT_EQ(standing(uid, home, owner), UserIdentity::refused) << uid << " " << home;
    EXPECT_EQ(standing("8", "/var/spool/virtual/v.example/vera", owner), UserIdentity::in_domain);
    EXPECT_EQ(standing("8", "/home/alice", owner), UserIdentity::in_domain);
    EXPECT_EQ(standing("8", ".", root), UserIdentity::in_domain);
    EXPECT_EQ(identity_of({"vera", "x", "8", "."}, owner, {}), UserIdentity::refused);
    EXPECT_EQ(standing("0", "/root", root), UserIdentity::refused);
    EXPECT_EQ(standing("1001", ".", root), UserIdentity::refused);
    EXPECT_EQ(standing("", "/root", root), UserIdentity::in_domain);
}

class DomainFolder : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "vhosts.XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        top_ = pattern;
        folder_ = top_ + "/v.example";
        std::filesystem::create_directory(folder_);
        domain_ = {"v.example", std::to_string(::getuid()), true, "", 1, ""};
    }
    void TearDown() override { std::filesystem::remove_all(top_); }
    void put(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        const std::string path = top_ + "/" + name;
        std::ofstream(path + ".new", std::ios::trunc | std::ios::binary) << text;
        ASSERT_EQ(::chmod((path + ".new").c_str(), mode), 0);
        std::filesystem::rename(path + ".new", path);
    }
    EntryStatus status_of(const std::string& name = "bob") const {
        return DomainFiles(folder_, domain_).look_up(name).status;
    }

    std::string top_, folder_;
    VirtualDomain domain_;
};

TEST_F(DomainFolder, TheNearestDomainAboveANameHasIt) {
    put("domains.cf",
        "root:.one.example:1:\nroot:sub.one.example:1:\nroot:.a.sub.one.example:0:\nroot:two.example:1:\n",
        0644);
    DomainTable table(top_);
    table.refresh();
    const auto found = [&](std::string_view name) {
        const VirtualDomain* domain = table.find(name);
        return domain == nullptr ? "" : domain->name;
    };
    for (const auto& [name, owner] :
         std::map<std::string, std::string>{{"one.example", "one.example"},
                                            {"x.one.example", "one.example"},
                                            {"x.y.one.example", "one.example"},
                                            {"sub.one.example", "sub.one.example"},
                                            {"x.sub.one.example", "one.example"},
                                            {"x.a.sub.one.example", "a.sub.one.example"},
                                            {"xone.example", ""},
                                            {".one.example", "one.example"},
                                            {"example", ""},
                                            {"", ""},
                                            {"x.two.example", ""}})
        EXPECT_EQ(found(name), owner) << name;
    EXPECT_EQ(table.find_line("x.one.example"), nullptr);
    EXPECT_NE(table.find_line("one.example"), nullptr);
}

TEST_F(DomainFolder, UsersAndAliases) {
    put("v.example/passwd", "# users\nBob:hash\nbob:second\ncarol:x:::::\neve:x:0:0:::\n\nnonsense\n");
    put("v.example/aliases", "info: bob,\n  carol\n*: bob\nbroken\nbob: \\bob, x@y.example\n");
    DomainFiles files(folder_, domain_);
    const auto bob = files.look_up("BOB");
    EXPECT_EQ(bob.status, EntryStatus::answered);
    EXPECT_EQ(bob.user, "Bob") << "of two with one name the first";
    EXPECT_EQ(bob.alias, "\\bob, x@y.example");
    EXPECT_EQ(files.look_up("Info").alias, "bob, carol");
    EXPECT_FALSE(files.look_up("info").user);
    EXPECT_EQ(files.look_up("*").alias, "bob");
    EXPECT_TRUE(files.look_up("carol").user);
    const auto eve = files.look_up("eve");
    EXPECT_EQ(eve.status, EntryStatus::temporary);
    EXPECT_NE(eve.problem.find("v.example/passwd:5: the uid of eve"), std::string::npos) << eve.problem;
    const auto nobody = files.look_up("nobody");
    EXPECT_EQ(nobody.status, EntryStatus::answered);
    EXPECT_FALSE(nobody.user || nobody.alias);
    EXPECT_EQ(files.look_up("broken").status, EntryStatus::temporary);
    EXPECT_FALSE(files.look_up(std::string(1000, 'x')).user);
    EXPECT_FALSE(files.look_up(std::string("bob\0x", 5)).user);
}

TEST_F(DomainFolder, ChangesAreSeen) {
    DomainFiles files(folder_, domain_);
    EXPECT_FALSE(files.look_up("bob").user);
    put("v.example/passwd", "bob:hash\n");
    EXPECT_TRUE(files.look_up("bob").user);
    put("v.example/passwd", "eve:hash\n");
    EXPECT_FALSE(files.look_up("bob").user);
    EXPECT_TRUE(files.look_up("eve").user);
    put("v.example/aliases", "bob: eve\n");
    EXPECT_EQ(files.look_up("bob").alias, "eve");
    std::filesystem::remove(folder_ + "/aliases");
    std::filesystem::remove(folder_ + "/passwd");
    EXPECT_FALSE(files.look_up("eve").user);
    std::filesystem::remove(folder_);
    EXPECT_EQ(files.look_up("eve").status, EntryStatus::temporary) << "not a domain without users";
}

// fcntl(2): who opens a file of which its owner has a lease waits until that is given back, 45 seconds long.
TEST_F(DomainFolder, AFileUnderALeaseIsNotWaitedFor) {
    put("v.example/passwd", "bob:hash\n");
    const auto former = ::signal(SIGIO, SIG_IGN);  // what the holder of the lease is sent
    Fd leased(::open((folder_ + "/passwd").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::fcntl(leased.get(), F_SETLEASE, F_WRLCK), 0);
    EXPECT_EQ(status_of(), EntryStatus::temporary);
    leased.reset();
    EXPECT_EQ(status_of(), EntryStatus::answered);
    ::signal(SIGIO, former);
}

TEST_F(DomainFolder, BrokenAliasesWriteAFewLinesIntoTheLog) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "no colon\n";
    put("v.example/aliases", text);
    const test::LogLines log(top_);
    EXPECT_EQ(status_of(), EntryStatus::answered);
    EXPECT_EQ(log.with("alias-broken").size(), RepeatedEvent::most + 1);
    EXPECT_EQ(log.with("more=980").size(), 1u);
}

TEST_F(DomainFolder, WhatOthersCanWriteIsNotBelieved) {
    put("v.example/passwd", "bob:hash\n", 0644);
    EXPECT_EQ(status_of(), EntryStatus::answered);
    for (const mode_t mode : {0620, 0602, 0666}) {
        put("v.example/passwd", "bob:hash\n", mode);
        EXPECT_EQ(status_of(), EntryStatus::temporary) << mode;
    }
    domain_.owner = "no-such-login-here";
    put("v.example/passwd", "bob:hash\n");
    EXPECT_EQ(status_of(), EntryStatus::temporary);
}

TEST_F(DomainFolder, WhatIsNoFileIsNotOpened) {
    const std::string path = folder_ + "/passwd";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(status_of(), EntryStatus::temporary);
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    EXPECT_EQ(status_of(), EntryStatus::temporary);
    std::filesystem::remove(path);
    std::filesystem::create_symlink("/dev/zero", path);
    EXPECT_EQ(status_of(), EntryStatus::temporary);
    std::filesystem::remove(path);
    std::filesystem::create_symlink(folder_ + "/nowhere", path);
    EXPECT_EQ(status_of(), EntryStatus::temporary);
}

TEST_F(DomainFolder, ALinkLeadsToTheOwnersFilesOnly) {
    if (::getuid() != 0) GTEST_SKIP() << "NEEDS ROOT: files of others";
    const uid_t owner = 64001;
    domain_.owner = "nobody";
    const auto nobody = find_login("nobody");
    ASSERT_TRUE(nobody);
    const std::string target = top_ + "/target";
    put("target", "bob:hash\n", 0600);
    std::filesystem::create_symlink(target, folder_ + "/passwd");
    EXPECT_EQ(status_of(), EntryStatus::temporary) << "root's file, and any user may have made the link";
    ASSERT_EQ(::chown(target.c_str(), owner, owner), 0);
    EXPECT_EQ(status_of(), EntryStatus::temporary) << "a third one's";
    ASSERT_EQ(::chown(target.c_str(), nobody->uid, nobody->gid), 0);
    EXPECT_EQ(status_of(), EntryStatus::answered);
    std::filesystem::remove(folder_ + "/passwd");
    put("v.example/passwd", "bob:hash\n", 0600);
    EXPECT_EQ(status_of(), EntryStatus::answered) << "root's, where root put it";
    std::filesystem::create_hard_link(folder_ + "/passwd", top_ + "/other-name");
    EXPECT_EQ(status_of(), EntryStatus::temporary);
}

TEST_F(DomainFolder, TheTableFollowsItsFile) {
    DomainTable table(top_);
    EXPECT_TRUE(table.refresh());
    EXPECT_EQ(table.find("v.example"), nullptr);
    put("domains.cf", "root:v.example:1:\nroot:w.example:1:\nbob:w.example:0:\n", 0644);
    EXPECT_TRUE(table.refresh());
    EXPECT_FALSE(table.refresh());
    ASSERT_NE(table.find("v.example"), nullptr);
    ASSERT_NE(table.find("w.example"), nullptr);
    EXPECT_TRUE(table.find("w.example")->active) << "of two with one name the first";
    EXPECT_EQ(table.folder_of(*table.find("v.example")), folder_);
    put("domains.cf", "root:w.example:1:\n", 0666);
    EXPECT_TRUE(table.refresh());
    EXPECT_THROW((void)table.find("v.example"), FormatError) << "everybody could have written it";
    put("domains.cf", "root:w.example:1:\n", 0644);
    EXPECT_TRUE(table.refresh());
    EXPECT_EQ(table.find("v.example"), nullptr);
    DomainTable none("");
    EXPECT_FALSE(none.refresh());
    EXPECT_EQ(none.find("v.example"), nullptr);
}

}  // namespace
}  // namespace postoffice
