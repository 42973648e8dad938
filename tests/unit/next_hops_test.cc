// Where mail for another host goes: what the values of tables say, and which entry counts.
#include "postoffice/routing/next_hops.h"

#include <gtest/gtest.h>

#include <fstream>

#include "../support/temporary_folder.h"
#include "postoffice/base/error.h"
#include "postoffice/config/values.h"
#include "postoffice/routing/route_value.h"

namespace postoffice {
namespace {

/// "?" and the problem, "-" for no entry, else the kind and the text of the next hop.
std::string hop_in_short(const Result<std::optional<NextHop>>& value) {
    static constexpr std::array kinds{"mx ", "relay ", "socket ", "", "", ""};
    if (!value) return "?" + value.problem();
    if (!*value) return "-";
    std::string text = kinds[(*value)->where.index()] + (*value)->to_string();
    if (const auto* relays = (*value)->as<NextHop::Relays>())
        for (const RelayHost& host : relays->hosts) text += host.uses_mx ? " +mx" : "";
    return text;
}

struct RouteCase {
    std::string_view value, meaning;
};

TEST(RouteValue, IsReadAsPostfixReadsIt) {
    for (const RouteCase& c : std::initializer_list<RouteCase>{
             {"", "mx "},
             {"smtp:", "mx "},
             {"smtp", "mx "},
             {"SMTP:", "mx "},
             {"relay:", "mx "},
             {":", "-"},
             {"smtp:[gw.test]:2525", "relay gw.test:2525"},
             {"relay:[gw.test]", "relay gw.test"},
             {":[gw.test]", "relay gw.test"},
             {"[gw.test]:587", "relay gw.test:587"},
             {"smtp:gw.test", "relay gw.test +mx"},
             {"smtp:GW.test:26", "relay gw.test:26 +mx"},
             {"smtp:192.0.2.1", "relay 192.0.2.1"},
             {"smtp:[192.0.2.1]:26", "relay [192.0.2.1]:26"},
             {"smtp:[2001:db8::1]", "relay [2001:db8::1]"},
             {"smtp:[a.test]:25, [b.test] c.test", "relay a.test:25, b.test, c.test +mx"},
             {"lmtp:unix:/run/lmtp", "socket lmtp:/run/lmtp"},
             {"lmtp:/run/lmtp", "socket lmtp:/run/lmtp"},
             {"lmtp:inet:store.test:24", "relay lmtp:store.test:24"},
             {"lmtp:[store.test]", "relay lmtp:store.test:24"},
             {"lmtp:127.0.0.1:2424", "relay lmtp:127.0.0.1:2424"},
             {"alias:fax", "alias:fax"},
             {"alias: fax+gate", "alias:fax+gate"},
             {"discard:", "discard"},
             {"discard:silently", "discard"},
             {"error:", "error: 550 5.4.4 this host sends no mail there"},
             {"error:no such place", "error: 550 5.4.4 no such place"},
             {"error:5.1.6 We moved", "error: 550 5.1.6 We moved"},
             {"error:553 5.1.6 We moved", "error: 553 5.1.6 We moved"},
             {"error:451 later", "error: 451 4.4.4 later"},
             {"error:4.2.1 later", "error: 450 4.2.1 later"},
             {"retry:later", "error: 450 4.4.4 later"},
         })
        EXPECT_EQ(hop_in_short(parse_route_value(c.value)), c.meaning) << c.value;
}

TEST(RouteValue, IsRefusedWithAReason) {
    for (const std::string_view bad :
         {"gw.test", "uucp:x", "local:", "smtp:[gw.test", "smtp:a b:0", "smtp:,", "alias:", "alias:a@b.test",
          "alias:a, b", "alias:|exit 67", "lmtp:", "lmtp:unix:private/lmtp", "error:250 2.0.0 fine",
          "error:550 4.0.0 which?", "smtp:-x", "smtp:\x01", "smtp:[x]:99999"})
        EXPECT_EQ(hop_in_short(parse_route_value(bad))[0], '?') << bad;
    EXPECT_EQ(hop_in_short(parse_route_value("uucp:x")),
              "?\"uucp\" is none of smtp:, relay:, lmtp:, alias:, discard:, error: and retry:, nor a host in "
              "brackets");
    EXPECT_EQ(hop_in_short(parse_route_value("lmtp:/" + std::string(200, 'x')))[0], '?');
}

TEST(SenderRelayValue, NamesHosts) {
    for (const RouteCase& c : std::initializer_list<RouteCase>{
             {"[smtp.test]:587", "relay smtp.test:587"},
             {"smtp.test", "relay smtp.test +mx"},
             {"[a.test], [b.test]", "relay a.test, b.test"},
             {"DUNNO", "-"},
             {"dunno", "-"},
             {"", "?no host is named"},
         })
        EXPECT_EQ(hop_in_short(parse_sender_relay_value(c.value)), c.meaning) << c.value;
}

TEST(RouteValue, NamesATransportOfPostoffice) {
    const std::vector<Transport> transports{{"bulk"}};
    const auto by = [&](std::string_view value) {
        return hop_in_short(parse_route_value(value, transports));
    };
    EXPECT_EQ(by("bulk:"), "mx bulk:");
    EXPECT_EQ(by("Bulk:[gw.test]:26"), "relay bulk:gw.test:26");
    EXPECT_EQ(by("smtp:[gw.test]"), "relay gw.test");
    EXPECT_EQ(by("slow:")[0], '?');
    EXPECT_EQ(hop_in_short(parse_sender_relay_value("bulk:", transports)), "mx bulk:");
    EXPECT_EQ(hop_in_short(parse_sender_relay_value("bulk:[gw.test]", transports)), "relay bulk:gw.test");
    EXPECT_EQ(hop_in_short(parse_sender_relay_value("bulk", transports)), "relay bulk +mx") << "a host";
    EXPECT_EQ(hop_in_short(parse_sender_relay_value("gw.test:26", transports)), "relay gw.test:26 +mx");
}

class NextHopsTest : public testing::Test {
  protected:
    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(folder_.path() + "/" + name) << text;
        return folder_.path() + "/" + name;
    }
    std::string way(const std::string& to, const std::string& from = "alice@host.test") {
        NextHops next_hops(config_);
        next_hops.refresh();
        return next_hops.find(*parse_addr_spec(to), from.empty() ? Address() : *parse_addr_spec(from))
            .next_hop.to_string();
    }
    bool relays_for(std::string_view domain) {
        NextHops next_hops(config_);
        next_hops.refresh();
        return next_hops.is_relay_domain(domain);
    }

    test::TemporaryFolder folder_;
    Config config_;
};

TEST_F(NextHopsTest, WithoutTablesTheRelayHostsOrTheMailHosts) {
    EXPECT_EQ(way("bob@b.test"), "b.test");
    EXPECT_EQ(way("bob@[192.0.2.1]"), "[192.0.2.1]");
    config_.remote.relay_hosts = {*parse_relay_host("one.test"), *parse_relay_host("two.test:587")};
    EXPECT_EQ(way("bob@b.test"), "one.test, two.test:587");
}

TEST_F(NextHopsTest, ATransportOfTheSenderLeavesTheHostOpen) {
    config_.remote.transports = {{"bulk"}};
    config_.routing.sender_relay = write("senders", "@news.test bulk:\n");
    EXPECT_EQ(way("bob@b.test", "a@news.test"), "bulk:b.test");
    config_.remote.relay_hosts = {*parse_relay_host("hub.test")};
    EXPECT_EQ(way("bob@b.test", "a@news.test"), "bulk:hub.test");
    EXPECT_EQ(way("bob@b.test", "a@host.test"), "hub.test");
}

TEST_F(NextHopsTest, TheNearestRouteCounts) {
    config_.remote.relay_hosts = {*parse_relay_host("hub.test")};
    config_.routing.routes = write("routes",
                                   "b.test         smtp:[domain.test]\n"
                                   ".b.test        smtp:[below.test]\n"
                                   ".deep.b.test   smtp:[deep.test]\n"
                                   "bob@b.test     smtp:[bob.test]\n"
                                   "bob+x@b.test   smtp:[extension.test]\n"
                                   "mx.test        smtp:\n"
                                   "usual.test     :\n"
                                   "*              smtp:[all.test]\n");
    for (const auto& [to, hop] : std::initializer_list<std::pair<const char*, const char*>>{
             {"carol@b.test", "domain.test"},
             {"CAROL@B.TEST", "domain.test"},
             {"carol@x.b.test", "below.test"},
             {"carol@y.x.b.test", "below.test"},
             {"carol@x.deep.b.test", "deep.test"},
             {"Bob@b.test", "bob.test"},
             {"bob+x@b.test", "extension.test"},
             {"bob+y@b.test", "bob.test"},
             {"carol@mx.test", "mx.test"},
             {"carol@usual.test", "hub.test"},
             {"carol@bb.test", "all.test"},
             {"carol@[192.0.2.1]", "all.test"},
         })
        EXPECT_EQ(way(to), hop) << to;
}

TEST_F(NextHopsTest, TheSenderDecidesWhereNoRouteDoes) {
    config_.remote.relay_hosts = {*parse_relay_host("hub.test")};
    config_.routing.routes = write("routes", "b.test smtp:[domain.test]\n");
    config_.routing.sender_relay = write("senders",
                                         "@club.test         [club-relay.test]:587\n"
                                         "alice@club.test    [alice.test]\n"
                                         "carol@club.test    DUNNO\n"
                                         "<>                 [bounces.test]\n");
    EXPECT_EQ(way("x@far.test", "bob@club.test"), "club-relay.test:587");
    EXPECT_EQ(way("x@far.test", "Alice+news@club.test"), "alice.test");
    EXPECT_EQ(way("x@far.test", "carol@club.test"), "hub.test");
    EXPECT_EQ(way("x@far.test", "bob@sub.club.test"), "hub.test");
    EXPECT_EQ(way("x@far.test", ""), "bounces.test");
    EXPECT_EQ(way("x@b.test", "bob@club.test"), "domain.test");
}

TEST_F(NextHopsTest, MailThatMeetsAnErrorWaitsAndOtherMailGoesOn) {
    const std::string file = config_.routing.routes =
        write("routes", "b.test smtp:[ok.test]\n\nc.test pigeon:\n");
    EXPECT_EQ(way("x@b.test"), "ok.test");
    EXPECT_EQ(way("x@c.test").substr(0, file.size() + 10), "routes: " + file + ":3");
    config_.routing.routes = folder_.path() + "/nothing";
    EXPECT_EQ(way("x@b.test"), "routes: " + folder_.path() + "/nothing: No such file or directory");
}

TEST_F(NextHopsTest, AllErrorsAreTold) {
    config_.routing.routes = write("routes", "  x\na.test smtp:\na.test smtp:\nb.test pigeon:\n");
    config_.routing.sender_relay = write("senders", "@a.test -\n");
    config_.routing.relay_domains = {"a.test", folder_.path() + "/nothing"};
    NextHops next_hops(config_);
    next_hops.refresh();
    std::string lines;
    for (const std::string& problem : next_hops.problems())
        lines += problem.substr(0, problem.find(": ", folder_.path().size() + 20)) + "\n";
    EXPECT_EQ(next_hops.problems().size(), 5u) << lines;
    EXPECT_EQ(next_hops.problems()[1], config_.routing.routes + ":3: a.test is already in line 2");
}

TEST_F(NextHopsTest, RelayDomainsIncludeThoseBelowThem) {
    EXPECT_FALSE(relays_for("a.test"));
    config_.routing.relay_domains = {"a.test", write("domains", "b.test OK\nc.test\n.d.test x\n")};
    for (const char* domain : {"a.test", "x.a.test", "b.test", "x.y.b.test", "c.test", "x.d.test"})
        EXPECT_TRUE(relays_for(domain)) << domain;
    for (const char* domain : {"test", "aa.test", "d.test", "other.test", "[192.0.2.1]", ""})
        EXPECT_FALSE(relays_for(domain)) << domain;
    config_.routing.relay_domains = {"a.test", folder_.path() + "/nothing"};
    EXPECT_TRUE(relays_for("a.test"));
    EXPECT_THROW(relays_for("b.test"), FormatError);
}

}  // namespace
}  // namespace postoffice
