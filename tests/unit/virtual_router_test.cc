// What addresses of virtual domains lead to.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "postoffice/routing/aliases.h"
#include "postoffice/routing/recipients.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

class VirtualRouter : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "virtual_router.XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        top_ = pattern;
        config_.identity.hostname = "host.example";
        config_.vhost.dir = top_;
        put("aliases", "outside: vera@v.example\n");
        const std::string me = std::to_string(::getuid()) + ":";
        std::string domains =
            "daemon:daemons.example:1:\n" + me + "off.example:0:\n" + me + "bad.example:x:\n";
        for (const std::string name : {"v", "other", "host", "gone"}) domains += me + name + ".example:1:\n";
        put("domains.cf", domains);
        for (const auto* name : {"v", "other", "off", "bad", "daemons", "host"})
            std::filesystem::create_directory(fmt::format("{}/{}.example", top_, name));
        for (const auto* name : {"v", "other", "off"})
            put(fmt::format("{}.example/passwd", name), "vera:x\nVictor:x\n");
    }
    void TearDown() override { std::filesystem::remove_all(top_); }
    void put(const std::string& name, const std::string& text) const {
        std::ofstream(top_ + "/" + name, std::ios::trunc) << text;
        std::filesystem::permissions(top_ + "/" + name, std::filesystem::perms(0644));
    }
    void aliases(const std::string& text, const std::string& domain = "v") const {
        put(domain + ".example/aliases", text);
    }
    Route route(const std::string& address) {
        AliasTable table(top_ + "/aliases");
        UserDirectory users;
        DirectUserFiles files(config_);
        Router router(config_, table, users, files);
        return router.route(*parse_addr_spec(address));
    }
    /// "vera@v.example far@away.example |command of alias x@v.example"; or the refusal.
    std::string leads_to(const std::string& address) {
        const Route found = route(address);
        EXPECT_EQ(found.status == Route::Status::accepted, !found.hops.empty());
        if (found.status != Route::Status::accepted)
            return fmt::format("{} {}", found.refusal.code, found.refusal.status);
        std::string text;
        for (const Route::Hop& hop : found.hops) {
            text += text.empty() ? "" : " ";
            text += describe(hop.destination);
            if (hop.new_sender) text += "<" + hop.sender.to_string();
        }
        return text;
    }

    std::string top_;
    Config config_;
};

TEST_F(VirtualRouter, UsersAndNobody) {
    const Route found = route("VERA@V.Example");
    ASSERT_EQ(found.hops.size(), 1u);
    EXPECT_TRUE(found.is_local);
    EXPECT_TRUE(found.hops[0].destination.is<Destination::VirtualMailbox>());
    EXPECT_EQ(describe(found.hops[0].destination), "vera@v.example");
    EXPECT_EQ(leads_to("victor@v.example"), "Victor@v.example");
    EXPECT_EQ(leads_to("vera+shopping@v.example"), "vera@v.example");
    EXPECT_EQ(leads_to("nobody@v.example"), "550 5.1.1");
    EXPECT_EQ(leads_to("root@v.example"), "550 5.1.1") << "accounts are no users of the domain";
    EXPECT_EQ(leads_to("\"..\"@v.example"), "550 5.1.1");
    EXPECT_EQ(leads_to("\"a/b\"@v.example"), "550 5.1.1");
    EXPECT_EQ(leads_to("x@sub.v.example"), "x@sub.v.example");
    EXPECT_FALSE(route("x@sub.v.example").is_local);
    EXPECT_EQ(leads_to("outside@host.example"), "vera@v.example");
}

TEST_F(VirtualRouter, DomainsThatTakeNoMail) {
    EXPECT_EQ(leads_to("vera@off.example"), "550 5.2.1");
    EXPECT_EQ(leads_to("postmaster@off.example"), "550 5.2.1");
    EXPECT_TRUE(route("vera@off.example").is_local);
    EXPECT_EQ(leads_to("vera@bad.example"), "451 4.3.5");
    EXPECT_EQ(leads_to("vera@gone.example"), "451 4.3.5");
    put("domains.cf", "root:v.example:1:\n");
    std::filesystem::permissions(top_ + "/domains.cf", std::filesystem::perms(0666));
    EXPECT_EQ(leads_to("vera@v.example"), "451 4.3.0");
    EXPECT_EQ(leads_to("daemon@host.example"), "daemon") << "the host itself has nothing to do with it";
}

TEST_F(VirtualRouter, TheHostsOwnNameStaysItsOwn) {
    put("host.example/passwd", "vera:x\n");
    EXPECT_EQ(leads_to("vera@host.example"), "550 5.1.1");
    EXPECT_EQ(leads_to("daemon@host.example"), "daemon");
}

TEST_F(VirtualRouter, Aliases) {
    aliases(
        "info: vera, far@away.example, daemon@host.example\nvera: vera, victor\nself: \\vera\nempty: nobody\n"
        "list: vera\nowner-list: victor\ndeep: info\na: b\nb: a\nbroken\nnull: /dev/null\nodd: <vera\n");
    EXPECT_EQ(leads_to("info@v.example"), "vera@v.example Victor@v.example far@away.example daemon");
    EXPECT_EQ(leads_to("vera@v.example"), "vera@v.example Victor@v.example");
    EXPECT_EQ(leads_to("self@v.example"), "vera@v.example");
    EXPECT_EQ(leads_to("deep@v.example"), "vera@v.example Victor@v.example far@away.example daemon");
    EXPECT_EQ(leads_to("empty@v.example"), "550 5.1.1");
    EXPECT_EQ(leads_to("list@v.example"),
              "vera@v.example<owner-list@v.example Victor@v.example<owner-list@v.example");
    EXPECT_EQ(leads_to("a@v.example"), "550 5.4.6");
    EXPECT_EQ(leads_to("broken@v.example"), "451 4.3.5");
    EXPECT_EQ(leads_to("odd@v.example"), "451 4.3.5");
    EXPECT_EQ(leads_to("null@v.example"), "/dev/null");
    EXPECT_EQ(leads_to("info@other.example"), "550 5.1.1");
}

TEST_F(VirtualRouter, EverybodyElse) {
    aliases("*: foo\nfoo: victor\ninfo: vera\n");
    EXPECT_EQ(leads_to("anything@v.example"), "Victor@v.example");
    EXPECT_EQ(leads_to("vera@v.example"), "vera@v.example");
    EXPECT_EQ(leads_to("info@v.example"), "vera@v.example");
    EXPECT_EQ(leads_to("vera+x@v.example"), "vera@v.example");
    aliases("*: victor\n");
    EXPECT_EQ(leads_to("anything@v.example"), "Victor@v.example");
    EXPECT_EQ(leads_to("\"*\"@v.example"), "Victor@v.example");
    aliases("*: nobody\n");
    EXPECT_EQ(leads_to("anything@v.example"), "550 5.1.1");
    aliases("*: *\n");
    EXPECT_EQ(leads_to("anything@v.example"), "550 5.4.6");
}

TEST_F(VirtualRouter, EverybodyToTheSameNameElsewhere) {
    aliases("*: *@other.example\nboth: one, two\n");
    EXPECT_EQ(leads_to("Sales@v.example"), "550 5.1.1");
    EXPECT_EQ(leads_to("vera@v.example"), "vera@v.example");
    put("other.example/passwd", "sales:x\n");
    EXPECT_EQ(leads_to("Sales@v.example"), "sales@other.example");
    aliases("*: *@away.example\nboth: one, two\nsome: *@away.example\n");
    EXPECT_EQ(leads_to("Sales@v.example"), "Sales@away.example");
    EXPECT_EQ(leads_to("both@v.example"), "one@away.example two@away.example");
    EXPECT_EQ(leads_to("some@v.example"), "some@away.example");
    aliases("*: *@other.example\n");
    aliases("*: *@v.example\n", "other");
    EXPECT_EQ(leads_to("nobody@v.example"), "550 5.4.6") << "round in a circle";
}

TEST_F(VirtualRouter, PostmasterIsAlwaysThere) {
    if (::getuid() != 0) GTEST_SKIP() << "NEEDS ROOT: domains of root's";
    EXPECT_EQ(leads_to("Postmaster@daemons.example"), "daemon");
    EXPECT_EQ(leads_to("webmaster@daemons.example"), "daemon");
    EXPECT_EQ(leads_to("postmaster@v.example"), "root");
    aliases("*: vera\n");
    EXPECT_EQ(leads_to("postmaster@v.example"), "root") << "before everybody else";
    aliases("*: vera\npostmaster: victor\n");
    EXPECT_EQ(leads_to("postmaster@v.example"), "Victor@v.example");
    put("aliases", "postmaster: far@away.example\n");
    EXPECT_EQ(leads_to("webmaster@v.example"), "far@away.example");
}

TEST_F(VirtualRouter, ProgramsAndFilesBelongToTheDomain) {
    aliases("robot: \"|/bin/cat\", /srv/archive\n*: |command\n");
    const Route found = route("robot@v.example");
    ASSERT_EQ(found.hops.size(), 2u);
    const Destination& program = found.hops[0].destination;
    EXPECT_TRUE(program.is<Destination::Program>());
    EXPECT_EQ(describe(program), "|/bin/cat of alias robot@v.example");
    EXPECT_TRUE(found.hops[1].destination.is<Destination::File>());
    EXPECT_EQ(virtual_domain_of(found.hops[1].destination), "v.example");
    const Route caught = route("who@v.example");
    ASSERT_EQ(caught.hops.size(), 1u);
    EXPECT_EQ(describe(caught.hops[0].destination), "|command of alias *@v.example");
    EXPECT_EQ(caught.hops[0].destination.address.to_string(), "who@v.example");
}

TEST_F(VirtualRouter, Includes) {
    put("members", "# who\nvera\nfar@away.example\n");
    aliases(fmt::format("list: :include:{}/members\nnone: :include:{}/nothing\ndevice: :include:/dev/zero\n",
                        top_, top_));
    EXPECT_EQ(leads_to("list@v.example"), "vera@v.example far@away.example");
    EXPECT_EQ(leads_to("none@v.example"), "451 4.2.4");
    EXPECT_EQ(leads_to("device@v.example"), "451 4.2.4");
}

TEST_F(VirtualRouter, UsersOfOneNameAreTwo) {
    aliases("two: vera, vera@other.example\n");
    RecipientCollector collector;
    const Address two("two", "v.example");
    collector.add(two, route("two@v.example"));
    collector.add(two, route("vera@v.example"));
    ASSERT_EQ(collector.recipients().size(), 2u);
    EXPECT_EQ(describe(collector.recipients()[1].destination), "vera@other.example");
}

}  // namespace
}  // namespace postoffice
