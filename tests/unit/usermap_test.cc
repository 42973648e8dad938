// Addresses that users make up. The accounts are those every Unix has: root, daemon, bin, mail; what stands
// in their homes is the test's.
#include <gtest/gtest.h>

#include <map>

#include "postoffice/config/values.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

using FileStatus = UserFile::Status;

class TestFiles final : public UserFiles {
  public:
    std::map<std::string, UserFile> files;  // by "user/file"
    UserFile find(const Account& account, const WantedFile& wanted) override {
        if (names_of(account.name, wanted, config).empty())
            ADD_FAILURE() << "asked for " << wanted.alias_file;
        const auto known = files.find(account.name + "/" + wanted.alias_file);
        return known == files.end() ? UserFile{} : known->second;
    }
    Config config;
    DomainEntry domain_entry(const std::string&, const VirtualDomain&, const std::string&) override {
        return {};
    }
    MailboxState virtual_mailbox(const std::string&, const VirtualDomain&) override { return {}; }
};

class UserMapTest : public testing::Test {
  protected:
    UserMapTest() {
        files_.config.identity.hostname = "host.example";
        files_.config.routing.delivery_files = {".forward"};
    }
    void map(const std::string& text) {
        auto parsed = parse_usermap(text);
        ASSERT_TRUE(parsed) << parsed.problem();
        files_.config.routing.usermaps.push_back(*parsed);
    }
    void file(const std::string& path, const std::string& text, FileStatus status = FileStatus::found) {
        files_.files[path] = {status, "/home/" + path, text, status == FileStatus::found ? "" : "problem"};
    }
    Route route(const std::string& name) {
        AliasTable aliases("/nonexistent/aliases");
        UserDirectory users;
        Router router(files_.config, aliases, users, files_);
        return router.route(Address(name, "host.example"));
    }
    std::string leads_to(const std::string& name) {
        const Route found = route(name);
        if (found.status != Route::Status::accepted) return found.refusal.line();
        std::string joined;
        for (const Route::Hop& hop : found.hops)
            joined += (joined.empty() ? "" : " ") + (hop.destination.is_mailbox()
                                                         ? describe(hop.destination)
                                                         : hop.destination.address.to_string());
        return joined;
    }
    TestFiles files_;
};

TEST_F(UserMapTest, AnAddressExistsWhenItsUserListsIt) {
    map("*-~:~/.alias");
    file("bin/.alias", "Shop-Bin: bin\nlist-bin: daemon, you@elsewhere.example\n");
    EXPECT_EQ(leads_to("shop-bin"), "bin");
    EXPECT_EQ(leads_to("SHOP-BIN"), "bin");
    EXPECT_EQ(leads_to("list-bin"), "daemon you@elsewhere.example");
    EXPECT_EQ(leads_to("other-bin"), "550 5.1.1 other-bin@host.example: no such user");
    EXPECT_EQ(leads_to("shop-nobody-here"), "550 5.1.1 shop-nobody-here@host.example: no such user");
    EXPECT_EQ(leads_to("-bin"), "550 5.1.1 -bin@host.example: no such user");
}

TEST_F(UserMapTest, TargetsAreTriedInOrder) {
    map("*-~:~/.alias,~/.more,~");
    file("bin/.alias", "one-bin: daemon\n");
    file("bin/.more", "two-bin: mail\n");
    EXPECT_EQ(leads_to("one-bin"), "daemon");
    EXPECT_EQ(leads_to("two-bin"), "mail");
    EXPECT_EQ(leads_to("three-bin"), "bin");
}

TEST_F(UserMapTest, MapsAreTriedInOrder) {
    map("*-~:~/.alias");
    map("x-*:daemon");
    map("x-*:mail");
    file("bin/.alias", "a-bin: bin\n");
    EXPECT_EQ(leads_to("x-bin"), "daemon");
    EXPECT_EQ(leads_to("x-whatever"), "daemon");
}

TEST_F(UserMapTest, TheLongestNameIsTheUsers) {
    map("*-~:~");
    EXPECT_EQ(leads_to("a-b-www-data"), "www-data");
}

TEST_F(UserMapTest, NobodyTakesMailOfAnotherAccount) {
    map("*-~:~/.alias");
    map("*:mail");
    file("bin/.alias", "www-bin: bin\nwww-data: bin\n");
    EXPECT_EQ(leads_to("www-data"), "www-data");
    EXPECT_EQ(leads_to("daemon"), "daemon");
    EXPECT_EQ(leads_to("unknown"), "mail");
}

TEST_F(UserMapTest, AMapForTheUserItself) {
    map("~:~/.alias");
    file("bin/.alias", "bin: \\bin, daemon\n");
    EXPECT_EQ(leads_to("bin"), "bin daemon");
    EXPECT_EQ(leads_to("daemon"), "daemon");
}

TEST_F(UserMapTest, WhatAUserListsIsNoBusinessOfOthers) {
    map("*-~:~/.alias");
    file("bin/.alias", "a-bin: secret\nb-bin: secret, daemon\nc-bin: you@elsewhere.example, postmaster\n");
    EXPECT_EQ(leads_to("a-bin"), "550 5.1.1 a-bin@host.example: leads nowhere");
    const Route some = route("b-bin");
    ASSERT_EQ(some.skipped_members.size(), 1u);
    EXPECT_EQ(some.skipped_members[0].sender.to_string(), "bin@host.example") << "the user hears of it";
    for (const Route::Step& step : some.steps) EXPECT_EQ(step.owner, "bin") << step.text;
    EXPECT_EQ(leads_to("c-bin"), "you@elsewhere.example root");
    for (const Route::Hop& hop : route("c-bin").hops)
        EXPECT_EQ(hop.disclosed.value_or(Address()).to_string(), "c-bin@host.example");
}

TEST_F(UserMapTest, MailWaitsForABrokenFile) {
    map("*-~:~/.alias,~");
    file("bin/.alias", "a-bin: |/bin/cat\nb-bin: <\nc-bin: c-bin\nd-bin: e-bin\ne-bin: d-bin\n");
    EXPECT_EQ(leads_to("a-bin"), "451 4.3.5 a-bin@host.example: cannot be delivered now");
    EXPECT_EQ(leads_to("b-bin"), "451 4.3.5 b-bin@host.example: cannot be delivered now");
    EXPECT_EQ(leads_to("d-bin").substr(0, 3), "550") << "a loop";
    EXPECT_EQ(leads_to("f-bin"), "bin") << "the others are as they were";
    file("bin/.alias", "", FileStatus::temporary);
    EXPECT_EQ(leads_to("x-bin").substr(0, 3), "451");
    file("bin/.alias", "x-bin: daemon", FileStatus::ignored);
    EXPECT_EQ(leads_to("x-bin"), "bin");
}

TEST_F(UserMapTest, AFileThatIsNotShownLeavesTheAnswerOpen) {
    map("*-~:~/.alias");
    file("bin/.alias", "", FileStatus::no_permission);
    EXPECT_TRUE(route("x-bin").is_unseen);
    EXPECT_FALSE(route("daemon").is_unseen);
}

TEST_F(UserMapTest, ATargetThatIsNoAddressMakesMailWait) {
    map("a-~:|/bin/cat");
    EXPECT_EQ(leads_to("a-bin").substr(0, 3), "451");
}

TEST_F(UserMapTest, StepsOfAUsersFileAreHis) {
    map("*-~:~/.alias");
    file("bin/.alias", "a-bin: secret@elsewhere.example\n");
    const Route found = route("a-bin");
    ASSERT_FALSE(found.steps.empty());
    for (const auto& step : found.steps) EXPECT_EQ(step.owner, "bin") << step.text;
}

TEST(UserMapValue, SaysWhatIsWrong) {
    for (const char* good : {"*-~:~/.alias,bounce", "~:~", "a:b@c.example", "~.*:~/mail/names"})
        EXPECT_TRUE(parse_usermap(good)) << good;
    for (const char* bad : {"", "a", ":b", "a:", "a:,b", "~~:~", "~-~:x", "*:~", "*:~/.alias", "~:~bob",
                            "~:~/../x", "~:~/", "~:~/a//b", "~:~/./b", "a:\x01"})
        EXPECT_FALSE(parse_usermap(bad)) << bad;
}

}  // namespace
}  // namespace postoffice
