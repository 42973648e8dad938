// What a client may do, and the penalties: the policy behind the limits.
#include <gtest/gtest.h>

#include <vector>

#include "postoffice/config/values.h"
#include "postoffice/policy/client_rates.h"
#include "postoffice/policy/load_level.h"
#include "postoffice/policy/misconduct.h"
#include "postoffice/policy/session_penalties.h"

namespace postoffice {
namespace {

IpAddress address_of(const char* text) {
    return *IpAddress::parse(text);
}

RatedClient client(const char* text, const char* user = "", bool is_exempt = false) {
    return {address_of(text), user, is_exempt};
}

Config config_with_limit(RateLimit limit) {
    Config config;
    config.limits.rate_connections = config.limits.rate_messages = config.limits.rate_recipients = limit;
    return config;
}

TEST(ClientRates, RefuseWhatIsTooMuch) {
    const Config config = config_with_limit({2, Seconds(3600)});
    RateTable rates;
    for (int i = 0; i < 2; ++i) {
        EXPECT_FALSE(count_connection(config.limits, &rates, client("192.0.2.1")));
        EXPECT_FALSE(count_message(config.limits, &rates, client("192.0.2.1")));
        EXPECT_FALSE(count_recipient(config.limits, &rates, client("192.0.2.1")));
    }
    EXPECT_EQ(count_connection(config.limits, &rates, client("192.0.2.1"))->code, 421);
    EXPECT_EQ(count_message(config.limits, &rates, client("192.0.2.1"))->code, 450);
    EXPECT_EQ(count_recipient(config.limits, &rates, client("192.0.2.1"))->line(),
              "452 4.7.1 Too many recipients: 2 in 1h; try again later");
    EXPECT_FALSE(count_connection(config.limits, &rates, client("192.0.2.2")));
}

TEST(ClientRates, WhatIsRefusedIsNotCounted) {
    const Config config = config_with_limit({8, Seconds(2)});  // a place each quarter of a second
    RateTable rates;
    int taken = 0;
    const Stopwatch watch;
    while (watch.time() < Seconds(2)) taken += !count_message(config.limits, &rates, client("192.0.2.1"));
    EXPECT_GE(taken, 10) << "going on trying must not shut a client out";
    EXPECT_LE(taken, 8 + 10);
}

TEST(ClientRates, KnowUsersByNameAndIpv6ByNetwork) {
    const Config config = config_with_limit({1, Seconds(3600)});
    RateTable rates;
    EXPECT_FALSE(count_message(config.limits, &rates, client("192.0.2.1")));
    EXPECT_FALSE(count_message(config.limits, &rates, client("192.0.2.1", "bob")));
    EXPECT_TRUE(count_message(config.limits, &rates, client("192.0.2.9", "bob")));
    EXPECT_FALSE(count_message(config.limits, &rates, client("192.0.2.1", "alice")));
    EXPECT_FALSE(count_connection(config.limits, &rates, client("2001:db8:0:1::1")));
    EXPECT_TRUE(count_connection(config.limits, &rates, client("2001:db8:0:1:ffff::2")));
    EXPECT_FALSE(count_connection(config.limits, &rates, client("2001:db8:0:2::1")));
    EXPECT_EQ(rated_network(address_of("2001:db8:0:1:2::3")), "2001:db8:0:1::/64");
    EXPECT_EQ(rated_network(address_of("192.0.2.1")), "192.0.2.1");
}

TEST(ClientRates, HaveNoLimitWithout) {
    RateTable rates;
    const Config none = config_with_limit({}), one = config_with_limit({1, Seconds(3600)});
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(count_message(none.limits, &rates, client("192.0.2.1")));
        EXPECT_FALSE(count_message(one.limits, &rates, client("192.0.2.1", "", true)));
        EXPECT_FALSE(count_message(one.limits, nullptr, client("192.0.2.1")));
    }
}

TEST(ClientRates, ExemptAddresses) {
    Config config;
    for (const char* host : {"[192.0.2.1]", "[2001:db8::1]", "friend.example"})
        EXPECT_EQ(add_host(config.access.trusted, host), "");
    for (const char* text : {"127.0.0.1", "127.8.8.8", "::1", "192.0.2.1", "2001:db8::1"})
        EXPECT_TRUE(is_exempt_address(config.access, address_of(text))) << text;
    for (const char* text : {"203.0.113.2", "2001:db8::2"})
        EXPECT_FALSE(is_exempt_address(config.access, address_of(text))) << text;
}

TEST(Misconduct, ReportsAtTheThreshold) {
    Config config;
    config.limits.coal = {10, Seconds(3600)};
    config.limits.coal_command = "/bin/true";
    RateTable rates;
    std::vector<std::string> reported;
    Misconduct misconduct(config, &rates, [&](const IpAddress& a) { reported.push_back(a.to_string()); });
    for (int i = 0; i < 9; ++i) misconduct.note(address_of("203.0.113.1"), 1);
    misconduct.note(address_of("203.0.113.2"), 9);
    misconduct.note(address_of("127.0.0.1"), 1000);
    EXPECT_TRUE(reported.empty());
    misconduct.note(address_of("203.0.113.1"), 1);
    EXPECT_EQ(reported, std::vector<std::string>{"203.0.113.1"});
    for (int i = 0; i < 9; ++i) misconduct.note(address_of("203.0.113.1"), 1);
    EXPECT_EQ(reported.size(), 1U) << "it starts with none again";
    misconduct.note(address_of("203.0.113.1"), 20);
    EXPECT_EQ(reported.size(), 2U);
}

TEST(Misconduct, DoesNothingWithoutACommand) {
    Config config;
    config.limits.coal = {1, Seconds(3600)};
    RateTable rates;
    int reported = 0;
    Misconduct(config, &rates, [&](const IpAddress&) { ++reported; }).note(address_of("203.0.113.1"), 5);
    config.limits.coal_command = "/bin/true";
    Misconduct(config, nullptr, [&](const IpAddress&) { ++reported; }).note(address_of("203.0.113.1"), 5);
    EXPECT_EQ(reported, 0);
}

TEST(SessionPenalties, PausesGrowAndEnd) {
    SessionPenalties penalties;
    for (int i = 0; i < 5; ++i) {
        EXPECT_FALSE(penalties.note_refused_recipient(20));
        EXPECT_EQ(penalties.pause(Seconds(5)), Milliseconds(0));
    }
    EXPECT_FALSE(penalties.note_refused_recipient(20));
    EXPECT_EQ(penalties.pause(Seconds(5)), Milliseconds(500));
    EXPECT_FALSE(penalties.note_refused_recipient(20));
    EXPECT_EQ(penalties.pause(Seconds(5)), Milliseconds(1000));
    for (int i = 0; i < 100'000; ++i) (void)penalties.note_refused_recipient(20);
    EXPECT_EQ(penalties.pause(Seconds(5)), Seconds(5));
    EXPECT_EQ(penalties.pause(Seconds(0)), Seconds(0));
    EXPECT_TRUE(penalties.note_refused_recipient(20));
}

TEST(LoadLevel, ShortensPatience) {
    LoadLevel load_level;
    EXPECT_EQ(load_level.shortened(Seconds(300)), Seconds(300));
    load_level.set(80, 100);
    EXPECT_EQ(load_level.shortened(Seconds(300)), Seconds(300));
    load_level.set(90, 100);
    EXPECT_EQ(load_level.shortened(Seconds(300)), Seconds(165));
    load_level.set(100, 100);
    EXPECT_EQ(load_level.shortened(Seconds(300)), Seconds(30));
    EXPECT_EQ(load_level.shortened(Seconds(60)), Seconds(10));
    EXPECT_EQ(load_level.shortened(Seconds(5)), Seconds(5));
    load_level.set(500, 100);
    EXPECT_EQ(load_level.shortened(Seconds(300)), Seconds(30));
    load_level.set(0, 0);
    EXPECT_EQ(load_level.shortened(Seconds(300)), Seconds(300));
}

}  // namespace
}  // namespace postoffice
