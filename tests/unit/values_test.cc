#include "postoffice/config/values.h"

#include <gtest/gtest.h>

#include "postoffice/base/idn.h"
#include "postoffice/config/config.h"

namespace postoffice {
namespace {

TEST(Values, Flags) {
    for (const auto on : {"1", "yes", "TRUE", "on"}) EXPECT_TRUE(*parse_flag(on)) << on;
    for (const auto off : {"0", "no", "False", "off"}) EXPECT_FALSE(*parse_flag(off)) << off;
    for (const auto bad : {"", "2", "y", "1 "}) EXPECT_FALSE(parse_flag(bad)) << bad;
}

TEST(Values, Counts) {
    EXPECT_EQ(*parse_count("100", 1, 100), 100U);
    EXPECT_EQ(parse_count("101", 1, 100).problem(), "101 is not between 1 and 100");
    EXPECT_EQ(parse_count("0", 1, 100).problem(), "0 is not between 1 and 100");
    EXPECT_EQ(parse_count("99999999999999999999", 1, 100).problem(),
              "99999999999999999999 is not between 1 and 100");
    EXPECT_EQ(parse_count("ten", 1, 100).problem(), "\"ten\" is not a whole number");
    for (const auto bad : {"", "-1", "+1", "1.5", " 1", "0x10"})
        EXPECT_FALSE(parse_count(bad, 0, 100)) << bad;
}

TEST(Values, SizesCountIn1024) {
    EXPECT_EQ(*parse_size("0"), 0U);
    EXPECT_EQ(*parse_size("1000"), 1000U);
    EXPECT_EQ(*parse_size("1k"), 1024U);
    EXPECT_EQ(*parse_size("10M"), 10U << 20);
    EXPECT_EQ(*parse_size("3g"), 3ULL << 30);
    EXPECT_EQ(*parse_size("10", 1024), 10240U);
    EXPECT_EQ(*parse_size("10k", 1024), 10240U);
    for (const auto bad : {"", "k", "1kb", "1 k", "-1", "1.5m", "10x", "9999999999g", "18446744073709551616"})
        EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Values, TimesCompound) {
    EXPECT_EQ(*parse_duration("300"), Seconds{300});
    EXPECT_EQ(*parse_duration("90s"), Seconds{90});
    EXPECT_EQ(*parse_duration("1h30m"), Seconds{5400});
    EXPECT_EQ(*parse_duration("2w1d1h1m1s"), Seconds{15 * 86400 + 3661});
    EXPECT_EQ(*parse_duration("3D"), Seconds{3 * 86400});
    for (const auto bad : {"", "m", "1h30", "30m1h", "1m1m", "1.5h", "-5m", "5 m", "5y", "1h ", "h1"})
        EXPECT_FALSE(parse_duration(bad)) << bad;
    EXPECT_EQ(parse_duration("600w").problem(), "600w is longer than ten years");
    EXPECT_FALSE(parse_duration("99999999999999999999s"));
}

TEST(Values, TimesReadBackAsWritten) {
    for (const std::int64_t span : {1LL, 59LL, 60LL, 3661LL, 86400LL, 15LL * 86400 + 1, 300LL * 86400})
        EXPECT_EQ(*parse_duration(duration_text(Seconds{span})), Seconds{span});
}

TEST(Values, ListsOfTimes) {
    EXPECT_EQ(*parse_durations("5m, 1h"), (std::vector<Seconds>{Seconds{300}, Seconds{3600}}));
    for (const auto bad : {"", "5m,", ",5m", "5m,0", "0"}) EXPECT_FALSE(parse_durations(bad)) << bad;
}

TEST(Values, Rates) {
    EXPECT_EQ(*parse_rate("100/1h"), (RateLimit{100, Seconds{3600}}));
    EXPECT_EQ(*parse_rate("1 / 30"), (RateLimit{1, Seconds{30}}));
    EXPECT_EQ(*parse_rate("0"), RateLimit{});
    for (const auto bad :
         {"", "100", "/", "100/", "/1h", "0/1h", "100/0", "-1/1h", "1000001/1h", "1/1h/1h", "a/1h"})
        EXPECT_FALSE(parse_rate(bad)) << bad;
    EXPECT_EQ(parse_rate("100").problem(),
              "\"100\" is not a rate: a number from 1 to 1000000, /, and a time (100/1h), or 0 for no limit");
}

TEST(Values, ListenAddresses) {
    const auto reads = [](std::string_view text, const char* address, std::uint16_t port) {
        const auto listen = parse_listen(text);
        ASSERT_TRUE(listen) << text << ": " << listen.problem();
        EXPECT_EQ(listen->address, IpAddress::parse(address));
        EXPECT_EQ(listen->port, port);
    };
    reads(":25", "", 25);
    reads("127.0.0.1:2525", "127.0.0.1", 2525);
    reads("[127.0.0.1]:0", "127.0.0.1", 0);
    reads("[::1]:2525", "::1", 2525);
    reads("[0:0:0:0:0:0:0:1]:25", "::1", 25);
    for (const auto bad : {"", "localhost:25", "127.0.0.1", "127.0.0.1:", ":65536", "[::1]", "[::1",
                           "[::1]25", "[]:25", "127.0.0.256:25", ":25,", ":-1"})
        EXPECT_FALSE(parse_listen(bad)) << bad;
    EXPECT_EQ(parse_listen("25").problem(), "\"25\" has no port: write :25");
    EXPECT_EQ(parse_listen("::1:25").problem(), "\"::1:25\": an IPv6 address needs brackets, [ADDRESS]:PORT");
    const auto users = parse_listen(":465,tls, submission");
    ASSERT_TRUE(users) << users.problem();
    EXPECT_TRUE(users->tls && users->submission);
    EXPECT_FALSE(parse_listen(":25")->tls || parse_listen(":25")->submission);
    EXPECT_EQ(parse_listen(":24,lmtp").problem(), "\"lmtp\" is not available in this version");
    EXPECT_EQ(parse_listen(":465,ssl").problem(), "\"ssl\" is not an option of listen: tls, submission");
}

TEST(Values, AddressesHideNothingBehindNul) {
    EXPECT_FALSE(parse_ip_address(std::string_view("127.0.0.1\0x", 11)));
}

TEST(Values, Domains) {
    EXPECT_EQ(*parse_domain("Mail.Example.ORG"), "mail.example.org");
    EXPECT_EQ(*parse_domain("x_y"), "x_y");
    if (idn_is_available()) {
        EXPECT_EQ(*parse_domain("B\xc3\xbc"
                                "cher.example"),
                  "xn--bcher-kva.example");
    }
    for (const std::string bad : {"", ".", "a..b", ".a", "a.", "-a.b", "a-.b", "a b", "a@b", "[1.2.3.4]",
                                  "b\xfc.de", "b\xe2\x80\x8b\xc3\xbc .de"})
        EXPECT_FALSE(parse_domain(bad)) << bad;
    EXPECT_FALSE(parse_domain(std::string(64, 'a')));
    EXPECT_FALSE(parse_domain(std::string(254, 'a')));
}

TEST(Values, RelayHosts) {
    EXPECT_EQ(parse_relay_host("Relay.Example.net")->to_string(), "relay.example.net");
    EXPECT_EQ(parse_relay_host("relay:2525")->to_string(), "relay:2525");
    EXPECT_EQ(parse_relay_host("127.0.0.1:2525")->to_string(), "127.0.0.1:2525");
    EXPECT_EQ(parse_relay_host("[::1]:2525")->to_string(), "[::1]:2525");
    EXPECT_EQ(parse_relay_host("[127.0.0.1]")->to_string(), "[127.0.0.1]");
    for (const auto bad : {"", ":25", "a:0", "a:b", "::1", "a:25:25"})
        EXPECT_FALSE(parse_relay_host(bad)) << bad;
}

TEST(Values, Nameservers) {
    EXPECT_EQ(parse_endpoint("192.0.2.1", 53)->to_string(), "192.0.2.1:53");
    EXPECT_EQ(parse_endpoint("::1", 53)->to_string(), "[::1]:53");
    EXPECT_EQ(parse_endpoint("127.0.0.1:5301", 53)->to_string(), "127.0.0.1:5301");
    EXPECT_EQ(parse_endpoint("[127.0.0.1]:5301", 53)->to_string(), "127.0.0.1:5301");
    EXPECT_EQ(parse_endpoint("[::1]:53", 53)->to_string(), "[::1]:53");
    for (const auto bad : {"", "ns.example.org", "127.0.0.1:", "127.0.0.1:0", "[::1]:", ":53"})
        EXPECT_FALSE(parse_endpoint(bad, 53)) << bad;
}

TEST(Values, LocalTransports) {
    EXPECT_EQ(*parse_local_transport("mailbox"), std::nullopt);
    EXPECT_EQ((*parse_local_transport("lmtp:/run/dovecot/lmtp"))->to_string(), "/run/dovecot/lmtp");
    EXPECT_EQ((*parse_local_transport("lmtp:192.0.2.1"))->to_string(), "192.0.2.1:24");
    EXPECT_EQ((*parse_local_transport("lmtp:192.0.2.1:2400"))->to_string(), "192.0.2.1:2400");
    EXPECT_EQ((*parse_local_transport("lmtp:2001:db8::1"))->to_string(), "[2001:db8::1]:24");
    EXPECT_EQ((*parse_local_transport("lmtp:[2001:db8::1]:2400"))->to_string(), "[2001:db8::1]:2400");
    const std::string too_long = "lmtp:/" + std::string(107, 'x');
    for (const auto* bad :
         {"", "maildir", "lmtp", "lmtp:", "lmtp:store", "lmtp:store.example:24", "lmtp:192.0.2.1:0",
          "lmtp:192.0.2.1:x", "LMTP:/run/x", "lmtp:/run/\x01", too_long.c_str()})
        EXPECT_FALSE(parse_local_transport(bad)) << bad;
}

/// The one entry of a list of hosts with `text`, or what is wrong with it.
std::string trusted_host(std::string_view text) {
    HostList list;
    if (auto problem = add_host(list, text); !problem.empty()) return problem;
    return list.names.empty() ? list.networks.at(0).to_string() : list.names.at(0);
}

TEST(Values, TrustedHosts) {
    EXPECT_EQ(trusted_host("Web.example.org"), "web.example.org");
    EXPECT_EQ(trusted_host("192.0.2.1"), "[192.0.2.1]");
    EXPECT_EQ(trusted_host("[192.0.2.1]"), "[192.0.2.1]");
    EXPECT_EQ(trusted_host("[2001:DB8:0::1]"), "[2001:db8::1]");
    EXPECT_EQ(trusted_host("[IPv6:2001:DB8:0::1]"), "[2001:db8::1]");
    for (const auto bad : {"", "[]", "[web]", "web/24", "a b", "[192.0.2.1", "192.0.2.1]"}) {
        HostList list;
        EXPECT_NE(add_host(list, bad), "") << bad;
        EXPECT_TRUE(list.empty()) << bad;
    }
}

TEST(Values, Networks) {
    const std::pair<const char*, const char*> good[] = {
        {"10.20.0.0/16", "[10.20.0.0/16]"},
        {"[10.20.0.0/16]", "[10.20.0.0/16]"},
        {"[10.20.0.0]/16", "[10.20.0.0/16]"},
        {"0.0.0.0/0", "[0.0.0.0/0]"},
        {"128.0.0.0/1", "[128.0.0.0/1]"},
        {"192.0.2.254/31", "[192.0.2.254/31]"},
        {"192.0.2.255/32", "[192.0.2.255]"},
        {"2001:DB8::/32", "[2001:db8::/32]"},
        {"[2001:db8::]/32", "[2001:db8::/32]"},
        {"[IPv6:2001:db8::/32]", "[2001:db8::/32]"},
        {"::/0", "[::/0]"},
        {"8000::/1", "[8000::/1]"},
        {"2001:db8::2/127", "[2001:db8::2/127]"},
        {"2001:db8::3/128", "[2001:db8::3]"},
        {"::ffff:192.0.2.0/120", "[192.0.2.0/24]"},
        {"::ffff:192.0.2.1", "[192.0.2.1]"},
    };
    for (const auto& [text, value] : good) {
        const auto parsed = parse_network(text);
        ASSERT_TRUE(parsed) << text << ": " << parsed.problem();
        EXPECT_EQ(parsed->to_string(), value);
        EXPECT_EQ(trusted_host(text), value);
    }
    for (const auto bad :
         {"", "/", "10.20.0.0/", "10.20.0.0/33", "10.20.0.0/-1", "10.20.0.0/1x", "10.20.0.0/255.255.0.0",
          "10.20/16", "10.20.0.1/16", "192.0.2.1/31", "2001:db8::/129", "2001:db8::1/64",
          "::ffff:192.0.2.0/80", "[10.0.0.0/8", "10.0.0.0]/8", "[10.0.0.0]8", "net.example/8"})
        EXPECT_FALSE(parse_network(bad)) << bad;
}

TEST(Values, BracketsAroundARelayHostMakeNoDifference) {
    EXPECT_EQ(parse_relay_host("[Smart.example]")->to_string(), "smart.example");
    EXPECT_EQ(parse_relay_host("[smart.example]:587")->to_string(), "smart.example:587");
    EXPECT_EQ(parse_relay_host("smart.example:587")->to_string(), "smart.example:587");
    EXPECT_EQ(parse_relay_host("[192.0.2.1]:25")->to_string(), "[192.0.2.1]:25");
    for (const auto bad : {"[]", "[smart.example", "[smart example]", "[smart.example]x"})
        EXPECT_FALSE(parse_relay_host(bad)) << bad;
}

TEST(Values, WhatToDoWithForbiddenHosts) {
    using Action = UnwantedMail::Action;
    EXPECT_EQ(parse_unwanted_mail("bounce")->action, Action::bounce);
    EXPECT_EQ(parse_unwanted_mail("Accept")->action, Action::accept);
    EXPECT_EQ(*parse_unwanted_mail("folder:spam"), (UnwantedMail{Action::folder, "spam"}));
    EXPECT_EQ(*parse_unwanted_mail("file: ~/mail//spam"), (UnwantedMail{Action::folder, "~/mail/spam"}));
    EXPECT_EQ(*parse_unwanted_mail("folder:~/Maildir/.Junk/"),
              (UnwantedMail{Action::folder, "~/Maildir/.Junk/"}));
    for (const char* bad : {"", "reject", "folder", "folder:", "folder:~", "folder:~/", "folder:~bob/x",
                            "folder:~/../x", "folder:/var/x", "folder:a/b", "folder:.x", "folder:a\tb"})
        EXPECT_FALSE(parse_unwanted_mail(bad)) << bad;
}

TEST(Values, WhatToDoWithSpam) {
    using Action = UnwantedMail::Action;
    EXPECT_EQ(*parse_spam("bounce"), UnwantedMail{});
    EXPECT_EQ(*parse_spam("bounce: see https://host.test/spam"),
              (UnwantedMail{Action::bounce, "", "see https://host.test/spam"}));
    EXPECT_EQ(parse_spam("accept")->action, Action::accept);
    EXPECT_EQ(*parse_spam("folder:junk"), (UnwantedMail{Action::folder, "junk"}));
    for (const auto* bad :
         {"", "bounced", "accept:why", "folder", "folder:", "folder:a/b", "bounce:two\nlines"})
        EXPECT_FALSE(parse_spam(bad)) << bad;
}

TEST(Values, DnsLists) {
    EXPECT_EQ(*parse_dns_list("List.Example"), (DnsList{"list.example", {}}));
    EXPECT_EQ(*parse_dns_list("list.example = 127.0.0.2, 127.0.0.4"),
              (DnsList{"list.example", {*IpAddress::parse("127.0.0.2"), *IpAddress::parse("127.0.0.4")}}));
    for (const char* bad : {"", "=127.0.0.2", "list.example=", "list.example=127.0.0.2,", "a b",
                            "list=10.0.0.1", "list=::1", "list=127.0.0"})
        EXPECT_FALSE(parse_dns_list(bad)) << bad;
}

TEST(Values, SolicitationKeywords) {
    EXPECT_EQ(*parse_solicitation_keywords(""), "");
    EXPECT_EQ(*parse_solicitation_keywords("org.example:ADV, net_x:A-1"), "org.example:ADV,net_x:A-1");
    for (const auto& bad : {std::string(","), std::string("a,,b"), std::string("1a"), std::string("a b"),
                            std::string("a\x01"), std::string(1001, 'a')})
        EXPECT_FALSE(parse_solicitation_keywords(bad)) << bad;
}

TEST(Values, AbsolutePaths) {
    EXPECT_EQ(*parse_absolute_path("/var//mail/"), "/var/mail");
    EXPECT_EQ(*parse_absolute_path("/"), "/");
    for (const auto bad : {"", "mail", "~/mail", "/var/../etc", "/./a"})
        EXPECT_FALSE(parse_absolute_path(bad)) << bad;
}

TEST(Values, TransportsHaveNamesAndSettings) {
    const auto transport = parse_transport(
        "News source-address=192.0.2.9,2001:db8::9  helo-name=N.test destination-rate=60/1h "
        "destination-agents=2");
    ASSERT_TRUE(transport) << transport.problem();
    EXPECT_EQ(*transport, (Transport{"news",
                                     2,
                                     {60, Seconds(3600)},
                                     {*IpAddress::parse("192.0.2.9"), *IpAddress::parse("2001:db8::9")},
                                     "n.test"}));
    EXPECT_TRUE(parse_transport("plain"));
    for (const auto& [text, problem] : std::initializer_list<std::pair<const char*, const char*>>{
             {"", "a transport is NAME SETTING=VALUE, with further settings behind blanks"},
             {"a:b", "a transport is NAME SETTING=VALUE, with further settings behind blanks"},
             {"SMTP helo-name=x", "\"smtp\" has a meaning of its own in tables of routes"},
             {"bulk helo=x",
              "\"helo\" is none of source-address, helo-name, destination-agents and destination-rate"},
             {"bulk source-address=::", "\"::\" is no address of this host"}})
        EXPECT_EQ(parse_transport(text).problem(), problem) << text;
}

TEST(Values, ATransportHasTheUsualSettingsWhereItHasNoneItself) {
    Config config;
    config.remote.usual.helo_name = "usual.test";
    config.remote.usual.destination_rate = {1, Seconds(1)};
    config.remote.transports = {*parse_transport("slow destination-rate=1/1h")};
    EXPECT_EQ(config.remote.transport("slow").helo_name, "usual.test");
    EXPECT_EQ(config.remote.transport("slow").destination_rate, (RateLimit{1, Seconds(3600)}));
    EXPECT_EQ(config.remote.transport("slow").destination_agents, config.remote.usual.destination_agents);
    EXPECT_EQ(config.remote.transport(""), config.remote.usual);
    EXPECT_EQ(config.remote.transport("gone"), config.remote.usual);
}

}  // namespace
}  // namespace postoffice
