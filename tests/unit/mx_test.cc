#include "postoffice/net/mx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>

#include "dns_servers.h"

namespace postoffice {
namespace {

using Names = std::vector<std::string>;

Names names_of(const MxList& list) {
    Names names;
    for (const auto& host : list.hosts) names.push_back(host.name);
    return names;
}

std::vector<IpAddress> addresses(std::initializer_list<const char*> texts) {
    std::vector<IpAddress> list;
    for (const char* text : texts) list.push_back(*IpAddress::parse(text));
    return list;
}

class MailHosts : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (!Nsd::is_installed()) return;
        std::string many;
        for (int i = 0; i < 50; ++i) many += "many MX " + std::to_string(i) + " m" + std::to_string(i) + "\n";
        nsd = std::make_unique<Nsd>(std::map<std::string, std::string>{
            {"a.test.",
             "h1 A 192.0.2.1\nh2 A 192.0.2.2\nh3 A 192.0.2.3\nh4 A 192.0.2.4\nh5 AAAA 2001:db8::5\n"
             "sorted MX 30 h3\nsorted MX 5 h1\nsorted MX 100 h5\nsorted MX 20 h2\n"
             "equal MX 10 h1\nequal MX 10 h2\nequal MX 10 h3\nequal MX 10 h4\nequal MX 5 h5\n"
             "twice MX 10 h1\ntwice MX 20 h1\ntwice MX 30 H2\n"
             "partly MX 5 gone\npartly MX 7 host.elsewhere.example.\npartly MX 10 h1\npartly MX 20 alias\n"
             "alias CNAME h2\ngone MX 10 nowhere\n"
             "later MX 10 host.elsewhere.example.\nlater MX 20 gone\n"
             "null MX 0 .\nnullish MX 0 .\nnullish MX 10 h1\n"
             "nomx A 192.0.2.9\nbare TXT x\nto.mx CNAME sorted\n"
             "under TXT x\n*.under MX 10 h1\nhost.under TXT y\nboth A 192.0.2.8\n*.both MX 10 h1\n"
             "numeric MX 10 192.0.2.77.\nzero MX 10 unspecified\nunspecified A 0.0.0.0\n"
             "lo MX 10 loopback\nloopback A 127.5.5.5\nmapped AAAA ::ffff:192.0.2.2\n" +
                 many}});
    }
    static void TearDownTestSuite() { nsd.reset(); }
    void SetUp() override {
        if (!nsd) GTEST_SKIP() << "nsd is not installed";
    }

    static MxList find(const std::string& domain, const std::string& own_name = "me.example",
                       const std::vector<IpAddress>& own = addresses({"127.0.0.1", "::1", "198.51.100.1"})) {
        return find_mail_hosts(Resolver(test_settings({nsd->endpoint()})), domain, own_name, own);
    }

    static std::unique_ptr<Nsd> nsd;
};
std::unique_ptr<Nsd> MailHosts::nsd;

TEST_F(MailHosts, LowestPreferenceFirst) {
    const auto list = find("Sorted.A.Test.");
    ASSERT_EQ(list.status, MxList::Status::found) << list.why;
    EXPECT_EQ(names_of(list), (Names{"h1.a.test", "h2.a.test", "h3.a.test", "h5.a.test"}));
    EXPECT_EQ(list.hosts[0].preference, 5);
    EXPECT_EQ(list.hosts[0].addresses, addresses({"192.0.2.1"}));
    EXPECT_EQ(list.hosts[3].addresses, addresses({"2001:db8::5"}));
    EXPECT_EQ(names_of(find("to.mx.a.test")), names_of(list)) << "a domain that is an alias";
}

TEST_F(MailHosts, EqualPreferencesAreShuffled) {
    std::set<std::string> second;
    for (int i = 0; i < 60; ++i) {
        auto names = names_of(find("equal.a.test"));
        ASSERT_EQ(names.size(), 5U);
        EXPECT_EQ(names[0], "h5.a.test") << "shuffled, but not into another preference";
        second.insert(names[1]);
        std::sort(names.begin(), names.end());
        EXPECT_EQ(names, (Names{"h1.a.test", "h2.a.test", "h3.a.test", "h4.a.test", "h5.a.test"}));
    }
    EXPECT_EQ(second.size(), 4U) << "each of four is first at some time in 60 tries";
}

TEST_F(MailHosts, EachHostOnceAtItsBestPreference) {
    const auto list = find("twice.a.test");
    EXPECT_EQ(names_of(list), (Names{"h1.a.test", "h2.a.test"}));
    EXPECT_EQ(list.hosts[0].preference, 10);
}

TEST_F(MailHosts, HostsThatCannotBeFoundNowAreSkippedIfOthersWork) {
    const auto list = find("partly.a.test");
    ASSERT_EQ(list.status, MxList::Status::found) << list.why;
    EXPECT_EQ(names_of(list), (Names{"h1.a.test", "alias.a.test"}));
    EXPECT_EQ(list.hosts[1].addresses, addresses({"192.0.2.2"}));
    EXPECT_EQ(find("later.a.test").status, MxList::Status::temporary);
    EXPECT_NE(find("later.a.test").why, "");
    EXPECT_EQ(find("gone.a.test").status, MxList::Status::no_host) << "the only MX host does not exist";
}

TEST_F(MailHosts, MoreHostsThanWeLookUpAreNotAPermanentFailure) {
    EXPECT_EQ(find("many.a.test").status, MxList::Status::temporary);
}

TEST_F(MailHosts, NullMxTakesNoMail) {
    EXPECT_EQ(find("null.a.test").status, MxList::Status::null_mx);
    EXPECT_EQ(names_of(find("nullish.a.test")), Names{"h1.a.test"});
}

TEST_F(MailHosts, WithoutMxTheAddress) {
    const auto list = find("nomx.a.test");
    ASSERT_EQ(list.status, MxList::Status::found) << list.why;
    EXPECT_EQ(names_of(list), Names{"nomx.a.test"});
    EXPECT_EQ(list.hosts[0].addresses, addresses({"192.0.2.9"}));
}

TEST_F(MailHosts, WithoutMxAndAddressTheWildcardBelow) {
    EXPECT_EQ(names_of(find("under.a.test")), Names{"h1.a.test"});
    EXPECT_EQ(names_of(find("any.under.a.test")), Names{"h1.a.test"}) << "what DNS does itself";
    EXPECT_EQ(names_of(find("both.a.test")), Names{"both.a.test"}) << "the own address has the right of way";
}

TEST_F(MailHosts, NeitherMxNorAddress) {
    EXPECT_EQ(find("bare.a.test").status, MxList::Status::no_host);
    EXPECT_EQ(find("nothing.a.test").status, MxList::Status::no_host);
    EXPECT_EQ(find("not a name").status, MxList::Status::no_host);
    EXPECT_EQ(find("").status, MxList::Status::no_host);
    EXPECT_NE(find("bare.a.test").why, "");
}

TEST_F(MailHosts, SilentDnsIsTemporary) {
    EXPECT_EQ(find("elsewhere.example").status, MxList::Status::temporary);
}

TEST_F(MailHosts, BackupTriesOnlyBetterHosts) {
    EXPECT_EQ(names_of(find("sorted.a.test", "H2.a.test")), Names{"h1.a.test"}) << "ourselves by name";
    EXPECT_EQ(names_of(find("sorted.a.test", "me", addresses({"192.0.2.3"}))),
              (Names{"h1.a.test", "h2.a.test"}))
        << "by address";
    EXPECT_EQ(names_of(find("sorted.a.test", "", addresses({"2001:db8::5"}))).size(), 3U);
    EXPECT_EQ(find("sorted.a.test", "h1.a.test").status, MxList::Status::loops_back);
    EXPECT_EQ(find("sorted.a.test", "me", addresses({"192.0.2.1"})).status, MxList::Status::loops_back);
}

TEST_F(MailHosts, HostsOfOurOwnPreferenceAreDroppedWhateverTheOrder) {
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(names_of(find("equal.a.test", "h3.a.test")), Names{"h5.a.test"});
        EXPECT_EQ(names_of(find("equal.a.test", "me", addresses({"192.0.2.3"}))), Names{"h5.a.test"});
    }
}

TEST_F(MailHosts, BetterHostThatCannotBeFoundNowIsWorthWaitingFor) {
    EXPECT_EQ(find("partly.a.test", "me", addresses({"192.0.2.1"})).status, MxList::Status::temporary);
}

TEST_F(MailHosts, OwnAddressWithoutMxLoopsBack) {
    EXPECT_EQ(find("nomx.a.test", "me", addresses({"192.0.2.9"})).status, MxList::Status::loops_back);
    EXPECT_EQ(find("nomx.a.test", "nomx.a.test").status, MxList::Status::loops_back);
    EXPECT_EQ(find("mapped.a.test", "me", addresses({"192.0.2.2"})).status, MxList::Status::loops_back);
}

TEST_F(MailHosts, AddressesThatAlwaysLeadHere) {
    EXPECT_EQ(find("zero.a.test", "me", {}).status, MxList::Status::loops_back);
    EXPECT_EQ(find("lo.a.test").status, MxList::Status::loops_back);
    EXPECT_EQ(find("lo.a.test", "me", {}).status, MxList::Status::found)
        << "nobody said that loopback is ours";
}

TEST_F(MailHosts, AddressLiterals) {
    const auto v4 = find("[192.0.2.1]");
    ASSERT_EQ(v4.status, MxList::Status::found);
    EXPECT_EQ(names_of(v4), Names{"[192.0.2.1]"});
    EXPECT_EQ(v4.hosts[0].addresses, addresses({"192.0.2.1"}));
    EXPECT_EQ(find("[IPv6:2001:db8::7]").hosts.at(0).addresses, addresses({"2001:db8::7"}));
    EXPECT_EQ(find("[198.51.100.1]").status, MxList::Status::loops_back);
    EXPECT_EQ(find("[IPv6:::1]").status, MxList::Status::loops_back);
    EXPECT_EQ(find("[h1.a.test]").status, MxList::Status::no_host);
    EXPECT_EQ(find("[").status, MxList::Status::no_host);
    EXPECT_EQ(find("numeric.a.test").hosts.at(0).addresses, addresses({"192.0.2.77"}))
        << "a frequent mistake";
}

TEST_F(MailHosts, HostsFileNamesMachinesThatDnsDoesNotKnow) {
    std::string path = (std::filesystem::temp_directory_path() / "postoffice-hosts-XXXXXX").string();
    const Fd file(::mkstemp(path.data()));
    std::ofstream(path) << "192.0.2.44 box.a.test\n";
    auto settings = test_settings({nsd->endpoint()});
    settings.hosts_file = path;
    const auto list = find_mail_hosts(Resolver(settings), "box.a.test", "me.example", {});
    std::filesystem::remove(path);
    EXPECT_EQ(list.status, MxList::Status::found) << list.why;
    EXPECT_EQ(names_of(list), Names{"box.a.test"});
}

TEST(Interfaces, LoopbackIsAmongThem) {
    const auto list = interface_addresses();
    EXPECT_NE(std::find(list.begin(), list.end(), *IpAddress::parse("127.0.0.1")), list.end());
}

}  // namespace
}  // namespace postoffice
