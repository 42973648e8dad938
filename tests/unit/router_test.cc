// The router: what each address leads to. The accounts are those every Unix has: root, daemon, bin, mail.
#include "postoffice/routing/router.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "log_lines.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

using RouteStatus = Route::Status;

class RouterTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "router_test.XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        source_ = directory_ + "/aliases";
        config_.identity.hostname = "host.example";
        config_.identity.local_domains = {"ours.example"};
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    void aliases(std::string_view text) { std::ofstream(source_, std::ios::trunc) << text; }
    std::string include(const std::string& name, std::string_view text) {
        std::ofstream(directory_ + "/" + name, std::ios::trunc) << text;
        return ":include:" + directory_ + "/" + name;
    }

    Route route(const std::string& address, UserDirectory users = UserDirectory()) {
        AliasTable table(source_);
        DirectUserFiles files(config_);
        Router router(config_, table, users, files,
                      {*IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8::1")});
        return router.route(*parse_addr_spec(address));
    }

    /// Users and remote addresses with a blank between them; "user<sender" where a list changes the sender.
    static std::string hops_of(const Route& route) {
        std::string joined;
        for (const Route::Hop& hop : route.hops) {
            joined += joined.empty() ? "" : " ";
            // Not all mailboxes: the user that runs this may not be allowed to look into root's home.
            const std::string account = account_of(hop.destination);
            joined += account.empty() ? hop.destination.address.to_string() : account;
            if (hop.new_sender) joined += "<" + hop.sender.to_string();
        }
        return joined;
    }
    std::string hops(const std::string& address) {
        const Route found = route(address);
        EXPECT_EQ(found.status, RouteStatus::accepted) << found.refusal.text;
        return hops_of(found);
    }
    /// "550 5.1.1" and so on; checks that nothing is accepted besides.
    std::string refusal(const std::string& address) {
        const Route found = route(address);
        EXPECT_TRUE(found.hops.empty());
        EXPECT_NE(found.status, RouteStatus::accepted);
        EXPECT_EQ(found.status == RouteStatus::temporary, found.refusal.is_temporary());
        EXPECT_NE(found.refusal.text, "");
        return fmt::format("{} {}", found.refusal.code, found.refusal.status);
    }

    Config config_;
    std::string directory_;
    std::string source_;
};

TEST_F(RouterTest, AccountsOfOurDomains) {
    EXPECT_EQ(hops("daemon@host.example"), "daemon");
    EXPECT_EQ(hops("daemon@localhost"), "daemon");
    EXPECT_EQ(hops("daemon@OURS.example"), "daemon");
    EXPECT_EQ(hops("daemon"), "daemon");
    EXPECT_EQ(hops("Daemon@host.example"), "daemon");
    EXPECT_EQ(hops("daemon@[192.0.2.1]"), "daemon");
    EXPECT_EQ(hops("daemon@[IPv6:2001:DB8:0:0::1]"), "daemon");
    const Route found = route("DAEMON@ours.example");
    EXPECT_TRUE(found.is_local);
    EXPECT_EQ(found.hops.at(0).destination.address.to_string(), "DAEMON@ours.example");
    EXPECT_TRUE(found.steps.empty());
}

TEST_F(RouterTest, OthersAreRemote) {
    aliases("daemon: bin\n");
    const Route found = route("Daemon@elsewhere.example");
    EXPECT_EQ(found.status, RouteStatus::accepted);
    EXPECT_FALSE(found.is_local);
    EXPECT_EQ(hops_of(found), "Daemon@elsewhere.example");
    EXPECT_EQ(hops("daemon@[192.0.2.2]"), "daemon@[192.0.2.2]");
    EXPECT_EQ(hops("daemon@sub.host.example"), "daemon@sub.host.example");
}

TEST_F(RouterTest, UnknownNames) {
    EXPECT_EQ(refusal("nobody-has-this-name@host.example"), "550 5.1.1");
    EXPECT_EQ(refusal("daemon%elsewhere.example@host.example"), "550 5.1.1");
    EXPECT_EQ(refusal("\"../daemon\"@host.example"), "550 5.1.1");
    EXPECT_EQ(refusal("\"@\"@host.example"), "550 5.1.1");
    EXPECT_TRUE(route("nobody-has-this-name@host.example").is_local);
}

// The owner of a list or of a file can write ten thousand names into it, and any client can send RCPT
// for it again.
TEST_F(RouterTest, AListOfUnknownNamesWritesAFewLinesIntoTheLog) {
    std::string names = "daemon", loops = "daemon";
    for (int i = 0; i < 10'000; ++i) names += fmt::format(", no-such-user-{}", i);
    for (int i = 0; i < 50; ++i) loops += ", back";
    aliases(fmt::format("typos: {}\nloop: back\nback: loop, {}\n", names, loops));
    const test::LogLines log(directory_);
    EXPECT_EQ(hops("typos@host.example"), "daemon");
    const auto lines = log.with("alias-member-skipped");
    ASSERT_EQ(lines.size(), RepeatedEvent::most + 1);
    EXPECT_NE(lines.back().find("to=<typos@host.example> more=9980"), std::string::npos) << lines.back();
    EXPECT_EQ(hops("back@host.example"), "daemon");
    EXPECT_EQ(log.with("alias-member-skipped").size(), 2 * (RepeatedEvent::most + 1));
}

TEST_F(RouterTest, BrokenLinesOfAnAliasFileWriteAFewLinesIntoTheLog) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "no colon\n";
    aliases(text + "fine: daemon\n");
    const test::LogLines log(directory_);
    EXPECT_EQ(hops("fine@host.example"), "daemon");
    EXPECT_EQ(log.with("alias-broken").size(), RepeatedEvent::most + 1);
    EXPECT_EQ(log.with("more=980").size(), 1u);
}

TEST_F(RouterTest, AliasesWinOverAccounts) {
    aliases("daemon: bin, a@elsewhere.example\nteam: daemon, mail@ours.example\n");
    EXPECT_EQ(hops("DAEMON@host.example"), "bin a@elsewhere.example");
    EXPECT_EQ(hops("team@host.example"), "bin a@elsewhere.example mail");
    const Route found = route("team@host.example");
    ASSERT_EQ(found.steps.size(), 2u);
    EXPECT_EQ(found.steps[0].text, "alias team -> daemon, mail@ours.example");
    EXPECT_EQ(found.steps[0].file, source_);
    EXPECT_EQ(found.steps[0].alias, "team");
}

TEST_F(RouterTest, EachDestinationOnce) {
    aliases("all: x, y, bin, Bin@ours.example\nx: z, daemon\ny: z\nz: a@b.example, a@B.example, bin\n");
    EXPECT_EQ(hops("all@host.example"), "a@b.example bin daemon");
}

TEST_F(RouterTest, ANameInItsOwnAliasIsTheAccount) {
    aliases("daemon: daemon, copy@elsewhere.example\nbin: \\bin\nmail: \\MAIL, \\daemon\n");
    EXPECT_EQ(hops("daemon@host.example"), "daemon copy@elsewhere.example");
    EXPECT_EQ(hops("bin@host.example"), "bin");
    EXPECT_EQ(hops("mail@host.example"), "mail daemon");
    aliases("daemon: " + include("list", "daemon\nbin\n") + "\n");
    EXPECT_EQ(hops("daemon@host.example"), "daemon bin");
}

TEST_F(RouterTest, LoopsAreLeftOutAndTold) {
    aliases("a: b, bin\nb: c, mail\nc: a, daemon\n");
    const Route found = route("a@host.example");
    EXPECT_EQ(hops_of(found), "daemon mail bin");
    EXPECT_NE(found.steps.back().text.find("a->b->c->a"), std::string::npos) << found.steps.back().text;
}

TEST_F(RouterTest, LoopWithNothingElseIsUnknown) {
    aliases("a: b\nb: a\nself: self\nx: a\n");
    EXPECT_EQ(refusal("a@host.example"), "550 5.4.6");
    EXPECT_EQ(route("a@host.example").refusal.text, "a@host.example: an alias leads back to itself");
    EXPECT_EQ(refusal("self@host.example"), "550 5.4.6");
    EXPECT_EQ(route("x@host.example").refusal.text, "x@host.example: an alias leads back to itself");
}

TEST_F(RouterTest, UnknownMembersAreLeftOut) {
    aliases("team: gone, daemon, \\gone2\nempty: gone, gone2\n");
    const Route found = route("team@host.example");
    EXPECT_EQ(hops_of(found), "daemon");
    EXPECT_NE(found.steps.at(1).text.find("gone"), std::string::npos);
    EXPECT_EQ(refusal("empty@host.example"), "550 5.1.1");
}

/// "member<keeper" for each member that leads nowhere.
std::string left_out_of(const Route& route) {
    std::string joined;
    for (const Route::Hop& hop : route.skipped_members) {
        EXPECT_TRUE(hop.destination.is<Destination::Unrouted>());
        joined +=
            (joined.empty() ? "" : " ") + hop.destination.address.to_string() + "<" + hop.sender.to_string();
    }
    return joined;
}

TEST_F(RouterTest, KeepersHearOfMembersThatLeadNowhere) {
    aliases(
        "plain: bin, gone\nlist: bin, gone, plain, gone\nowner-list: mail\nempty: gone\nloop: loop2, bin\n"
        "loop2: loop\n");
    EXPECT_EQ(left_out_of(route("plain@host.example")), "gone@host.example<postmaster@host.example");
    EXPECT_EQ(left_out_of(route("list@host.example")), "gone@host.example<owner-list@host.example");
    EXPECT_EQ(left_out_of(route("empty@host.example")), "") << "the sender hears that all of it is refused";
    EXPECT_EQ(left_out_of(route("loop@host.example")), "") << "nothing is lost";
    std::string many = "many: bin";
    for (int i = 0; i < 50; ++i) many += fmt::format(", gone{}", i);
    aliases(many + "\n");
    EXPECT_EQ(route("many@host.example").skipped_members.size(), 20u);
}

TEST_F(RouterTest, RefusalsNameTheAddressThatWasAskedFor) {
    aliases(
        "a: secret-name\nb: broken-alias\nbroken-alias: x y\nc: :include:/no/such/list\nloop: inner\n"
        "inner: loop\n");
    EXPECT_EQ(route("nobody-here@host.example").refusal.text, "nobody-here@host.example: no such user");
    EXPECT_EQ(route("a@host.example").refusal.text, "a@host.example: leads nowhere");
    EXPECT_EQ(route("b@host.example").refusal.text, "b@host.example: cannot be delivered now");
    EXPECT_EQ(route("c@host.example").refusal.text, "c@host.example: the list cannot be expanded now");
    EXPECT_EQ(route("loop@host.example").refusal.text, "loop@host.example: an alias leads back to itself");
}

TEST_F(RouterTest, OwnersOfLists) {
    aliases(
        "list: bin, inner, daemon\nowner-list: mail\ninner: a@b.example\nowner-inner: mail\n"
        "plain: c@d.example\n");
    EXPECT_EQ(
        hops("list@host.example"),
        "bin<owner-list@host.example a@b.example<owner-inner@host.example daemon<owner-list@host.example");
    EXPECT_EQ(hops("owner-list@host.example"), "mail");
    EXPECT_EQ(hops("plain@host.example"), "c@d.example");
}

TEST_F(RouterTest, IncludedLists) {
    const std::string inner = include("inner", "a@b.example\n");
    aliases("list: " + include("outer", "# people\nbin, daemon\n\n  Mail Man <mail>\n" + inner + "\n") +
            "\n");
    EXPECT_EQ(hops("list@host.example"), "bin daemon mail a@b.example");
}

TEST_F(RouterTest, IncludedFileThatIncludesItself) {
    aliases("list: " + include("list", "bin\n:include:" + directory_ + "/list\n") + "\n");
    EXPECT_EQ(hops("list@host.example"), "bin");
}

TEST_F(RouterTest, BrokenListsWait) {
    aliases("missing: :include:" + directory_ + "/none, bin\nbroken: " + include("broken", "bin\na b\n") +
            "\n");
    EXPECT_EQ(refusal("missing@host.example"), "451 4.2.4");
    EXPECT_EQ(refusal("broken@host.example"), "451 4.2.4");
    EXPECT_NE(route("broken@host.example").steps.back().text.find("/broken:2: "), std::string::npos);
    EXPECT_EQ(route("broken@host.example").refusal.text.find(directory_), std::string::npos);
}

TEST_F(RouterTest, AliasesLeadToProgramsAndFiles) {
    aliases("filter: bin, \"|/bin/cat -u\"\narchive: /var/mail/archive, /dev/null\n");
    const Route filter = route("filter@host.example");
    ASSERT_EQ(filter.hops.size(), 2u);
    EXPECT_TRUE(filter.hops[1].destination.is<Destination::Program>());
    EXPECT_EQ(describe(filter.hops[1].destination), "|/bin/cat -u of alias filter");
    const Route archive = route("archive@host.example");
    ASSERT_EQ(archive.hops.size(), 2u);
    EXPECT_TRUE(archive.hops[0].destination.is<Destination::File>());
    EXPECT_EQ(instruction_of(archive.hops[0].destination), "/var/mail/archive");
    EXPECT_TRUE(archive.hops[1].destination.is<Destination::Discard>());
}

TEST_F(RouterTest, WhatCannotBeReadIsTemporary) {
    aliases("broken: a b\nnocolon bin\n");
    EXPECT_EQ(refusal("broken@host.example"), "451 4.3.5");
    EXPECT_EQ(refusal("nocolon@host.example"), "451 4.3.0");
    EXPECT_EQ(hops("daemon@host.example"), "daemon");
    std::filesystem::remove(source_);
    std::ofstream(alias_database(source_)) << "rubbish";
    EXPECT_EQ(refusal("daemon@host.example"), "451 4.3.0");
    EXPECT_EQ(refusal("nobody-has-this-name@host.example"), "451 4.3.0");
    EXPECT_EQ(hops("a@elsewhere.example"), "a@elsewhere.example");
}

TEST_F(RouterTest, ExpansionIsBounded) {
    std::string deep;
    for (int i = 0; i < 200; ++i) deep += fmt::format("a{}: a{}\n", i, i + 1);
    aliases(deep + "a200: bin\n");
    EXPECT_EQ(refusal("a0@host.example"), "451 4.2.4");
    EXPECT_EQ(hops("a190@host.example"), "bin");

    std::string members;
    for (int i = 0; i < 30'000; ++i) members += fmt::format("m{}@b.example\n", i);
    aliases("list: " + include("large", members) + "\n");
    EXPECT_EQ(refusal("list@host.example"), "451 4.2.4");
}

TEST_F(RouterTest, ThereIsAlwaysAPostmaster) {
    EXPECT_EQ(hops("postmaster"), "root");
    EXPECT_EQ(hops("PostMaster@ours.example"), "root");
    aliases("root: bin\n");
    EXPECT_EQ(hops("postmaster@host.example"), "bin");
    aliases("postmaster: daemon\nroot: bin\n");
    EXPECT_EQ(hops("postmaster"), "daemon");
    aliases("postmaster: root\nroot: postmaster\n");
    EXPECT_EQ(hops("postmaster"), "root");
    EXPECT_EQ(hops("root@host.example"), "root");
    aliases("postmaster: gone\n");
    EXPECT_EQ(hops("postmaster"), "root");
}

TEST_F(RouterTest, PostmasterExistsWhereverItIsNamed) {
    aliases("abuse: postmaster\nboth: bin, postmaster\nlast: postmaster, bin\nown: \\postmaster\n");
    EXPECT_EQ(hops("abuse"), "root");
    EXPECT_EQ(hops("both"), "bin root");
    EXPECT_EQ(hops("last"), "root bin");
    EXPECT_EQ(hops("own"), "root");
    aliases("postmaster: gone\nboth: bin, postmaster, postmaster\n");
    EXPECT_EQ(hops("both"), "bin root");
    aliases("postmaster: bin\nboth: bin, postmaster\n");
    EXPECT_EQ(hops("both"), "bin") << "reached already";
    aliases("list: bin\nowner-list: postmaster\n");
    EXPECT_EQ(hops("owner-list"), "root");
    aliases("postmaster: postmaster\nroot: postmaster\n");
    EXPECT_EQ(hops("postmaster"), "root");
}

TEST_F(RouterTest, AnswersToReportsGoToPostmaster) {
    EXPECT_EQ(hops("MAILER-DAEMON@host.example"), "root");
    aliases("postmaster: bin\n");
    EXPECT_EQ(hops("mailer-daemon"), "bin");
    aliases("mailer-daemon: /dev/null\n");
    EXPECT_TRUE(route("MAILER-DAEMON").hops.at(0).destination.is<Destination::Discard>());
    aliases("postmaster: mailer-daemon\n");
    EXPECT_EQ(hops("mailer-daemon"), "root");
}

TEST_F(RouterTest, TheOnlyUserIsPostmaster) {
    EXPECT_EQ(hops_of(route("postmaster", UserDirectory("daemon"))), "daemon");
    EXPECT_EQ(hops_of(route("Daemon@host.example", UserDirectory("daemon"))), "daemon");
    EXPECT_EQ(route("bin@host.example", UserDirectory("daemon")).status, RouteStatus::unknown);
    EXPECT_EQ(route("root@host.example", UserDirectory("daemon")).status, RouteStatus::unknown);
    aliases("root: a@b.example\n");
    EXPECT_EQ(hops_of(route("postmaster", UserDirectory("daemon"))), "a@b.example");
}

TEST_F(RouterTest, ARouteThatIsAnAliasTellsItsProgramEachAddress) {
    config_.routing.routes = directory_ + "/routes";
    std::ofstream(config_.routing.routes)
        << "fax.test alias:fax\nlost.test alias:nothing\nround.test alias:round\n";
    aliases(
        "fax: |send-fax\nboth: 1@fax.test, 2@fax.test, 1@fax.test, you@elsewhere.test\nround: "
        "x@round.test\n");
    const Route route = this->route("both@host.example");
    std::vector<std::string> told;
    for (const Route::Hop& hop : route.hops) told.push_back(hop.destination.address.to_string());
    EXPECT_EQ(told, (std::vector<std::string>{"1@fax.test", "2@fax.test", "you@elsewhere.test"}));
    EXPECT_TRUE(route.hops.at(0).destination.is<Destination::Program>());
    EXPECT_NE(destination_key(route.hops.at(0).destination), destination_key(route.hops.at(1).destination));
    EXPECT_EQ(this->route("3@fax.test").hops.at(0).destination.address.to_string(), "3@fax.test");
    for (const char* waits : {"x@lost.test", "x@round.test", "round@host.example"})
        EXPECT_EQ(this->route(waits).status, Route::Status::temporary) << waits;
}

}  // namespace
}  // namespace postoffice
