// SPF records: the examples of RFC 7208, and its limits. DNS is a table.
#include <gtest/gtest.h>

#include "spf_zone.h"

namespace postoffice {
namespace {

using namespace testing_spf;

TEST(Spf, AddressesAndNetworks) {
    expect_all({
        {"v=spf1", neutral},
        {"v=spf1 ", neutral},
        {"V=SPF1 IP4:192.0.2.10", pass},
        {"v=spf1 -all", fail},
        {"v=spf1 ~all", softfail},
        {"v=spf1 ?all", neutral},
        {"v=spf1 all", pass},
        {"v=spf1  ip4:192.0.2.0/28   -all", pass},
        {"v=spf1 ip4:192.0.2.0/29 -all", fail},
        {"v=spf1 ip4:192.0.2.10/32 -all", pass},
        {"v=spf1 ip4:10.0.0.0/0 -all", pass},
        {"v=spf1 -ip4:192.0.2.10 all", fail},
        {"v=spf1 ip6:2001:db8::/32 -all", fail},
        {"v=spf1 ip6:2001:db8::/32 -all", pass, "2001:db8:1::1"},
        {"v=spf1 ip6:2001:db8::10/127 -all", pass, "2001:db8::11"},
        {"v=spf1 ip6:2001:db8::10/128 -all", fail, "2001:db8::11"},
        {"v=spf1 ip4:0.0.0.0/0 -all", fail, "2001:db8::11"},
        {"v=spf1 ip6:::/0 -all", fail},
        {"v=spf1 ip6:::ffff:192.0.2.10 -all", fail},
        {"v=spf1 ip4:192.0.2.10 -all", pass, "::ffff:192.0.2.10"},
    });
}

TEST(Spf, NamesAndMailHosts) {
    expect_all({
        {"v=spf1 a -all", fail},
        {"v=spf1 a -all", pass, "192.0.2.77"},
        {"v=spf1 a:mail.far.test -all", pass},
        {"v=spf1 a:mail.far.test. -all", pass},
        {"v=spf1 a:MAIL.far.test -all", pass},
        {"v=spf1 a:far.test/30 -all", pass},
        {"v=spf1 a/24 -all", pass},
        {"v=spf1 a:mail.far.test -all", pass, "2001:db8::10"},
        {"v=spf1 a:mail.far.test//64 -all", pass, "2001:db8::99"},
        {"v=spf1 a:mail.far.test/0//128 -all", fail, "2001:db8::99"},
        {"v=spf1 mx:far.test -all", pass},
        {"v=spf1 mx:far.test -all", fail, "192.0.2.11"},
        {"v=spf1 mx:far.test/31//127 -all", pass, "192.0.2.11"},
        {"v=spf1 mx:far.test//64 -all", pass, "2001:db8::1"},
        {"v=spf1 mx:nomx.test -all", fail},
        {"v=spf1 mx -all", fail},
        {"v=spf1 ptr:far.test -all", pass},
        {"v=spf1 ptr:ar.test -all", fail},
        {"v=spf1 ptr:far.test -all", fail, "192.0.2.20"},
        {"v=spf1 ptr:far.test -all", fail, "192.0.2.21"},
        {"v=spf1 ptr:mail.far.test -all", pass, "2001:db8::10"},
    });
}

TEST(Spf, RecordsOfOthers) {
    expect_all({
        {"v=spf1 include:ok.test -all", pass},
        {"v=spf1 ~include:ok.test -all", softfail},
        {"v=spf1 include:no.test ip4:192.0.2.10", pass},
        {"v=spf1 include:soft.test ?all", neutral},
        {"v=spf1 include:maybe.test -all", fail},
        {"v=spf1 include:broken.test all", permerror},
        {"v=spf1 include:bare.test all", permerror},
        {"v=spf1 include:nowhere.test all", permerror},
        {"v=spf1 include:two.test all", permerror},
        {"v=spf1 include:ill.test all", temperror},
        {"v=spf1 ip4:192.0.2.10 include:ill.test", pass},
        {"v=spf1 include:among.test -all", pass},
        {"v=spf1 redirect=ok.test", pass},
        {"v=spf1 redirect=ok.test -all", fail},
        {"v=spf1 redirect=ok.test ip4:192.0.2.10", pass},
        {"v=spf1 redirect=bare.test", permerror},
        {"v=spf1 redirect=nowhere.test", permerror},
        {"v=spf1 redirect=ill.test", temperror},
        {"v=spf1 redirect=redirected.test", pass},
        {"v=spf1 redirect=ok.test redirect=ok.test", permerror},
        {"v=spf1 exp=why.test exp=why.test -all", permerror},
        {"v=spf1 exp=why.test -all", fail},
        {"v=spf1 moo=%{c}%{d} ip4:192.0.2.10", permerror},
        {"v=spf1 ip4=x moo.2=%{d}%%,%_ ip4:192.0.2.10", pass},
    });
}

TEST(Spf, Macros) {
    expect_all({
        {"v=spf1 exists:%{ir}.%{v}.spf.test -all", pass},
        {"v=spf1 exists:%{ir}.%{v}.spf.test -all", pass, "2001:db8::10"},
        {"v=spf1 exists:%{ir}.%{v}.spf.test -all", fail, "192.0.2.11"},
        {"v=spf1 exists:test.%{i}.far.test -all", pass},
        {"v=spf1 exists:%{l}.users.test -all", pass},
        {"v=spf1 exists:%{l}.users.test -all", pass, "192.0.2.10", "Bob@sender.test"},
        {"v=spf1 exists:%{l}.users.test -all", fail, "192.0.2.10", "eve@sender.test"},
        {"v=spf1 exists:%{l}.users.test -all", fail, "192.0.2.10", "\"a b\"@sender.test"},
        {"v=spf1 exists:%{lr-}.users.test -all", pass},
        {"v=spf1 exists:%{l1r-}.%{l1-}.users.test -all", fail, "192.0.2.10", "x-y@sender.test"},
        {"v=spf1 exists:%{l1-}.%{l1r-}.users.test -all", pass},
        {"v=spf1 exists:%{h}.helo.test -all", pass},
        {"v=spf1 exists:%{p}.names.test -all", pass},
        {"v=spf1 exists:%{p}.names.test -all", fail, "192.0.2.20"},
        {"v=spf1 a:mail.%{o1} -all", fail},
        {"v=spf1 a:mail.far.%{o1} -all", pass},
        {"v=spf1 a:mail.far.%{d1} -all", pass},
        {"v=spf1 a:mail.far.%{d1r} -all", fail},
        {"v=spf1 a:mail%.far.test -all", permerror},
        {"v=spf1 a:%{d0}.test -all", permerror},
        {"v=spf1 a:%{x}.test -all", permerror},
        {"v=spf1 a:%{d.test -all", permerror},
        {"v=spf1 a:%{}.test -all", permerror},
        {"v=spf1 a:%{t}.test -all", permerror},
        {"v=spf1 a:%d.test -all", permerror},
        {"v=spf1 a:%{d}x -all", permerror},
        {"v=spf1 a:%{d99999999999999999999} -all", pass, "192.0.2.77"},
        {"v=spf1 a:%{S}.test -all", fail},
    });
}

TEST(Spf, AMistakeAnywhereIsOneOfAll) {
    std::vector<Case> cases;
    for (const char* record : {"v=spf1 all: ",
                               "v=spf1 all:x.test",
                               "v=spf1 all/8",
                               "v=spf1 include",
                               "v=spf1 include:",
                               "v=spf1 include:ok.test/24",
                               "v=spf1 a:",
                               "v=spf1 a:/24",
                               "v=spf1 a/33",
                               "v=spf1 a/024",
                               "v=spf1 a/",
                               "v=spf1 a//129",
                               "v=spf1 a//",
                               "v=spf1 a/24/24",
                               "v=spf1 a:test",
                               "v=spf1 a:x.123",
                               "v=spf1 a:192.0.2.1",
                               "v=spf1 a:x.-test",
                               "v=spf1 ip4",
                               "v=spf1 ip4:",
                               "v=spf1 ip4:192.0.2",
                               "v=spf1 ip4:192.0.2.0/33",
                               "v=spf1 ip4:192.0.2.0/",
                               "v=spf1 ip4:192.0.2.0/08",
                               "v=spf1 ip4:2001:db8::",
                               "v=spf1 ip4:192.0.2.0//8",
                               "v=spf1 ip6:192.0.2.1",
                               "v=spf1 ip6:2001:db8::/129",
                               "v=spf1 ip6:2001:db8",
                               "v=spf1 ip6",
                               "v=spf1 exists",
                               "v=spf1 exists:x.test/24",
                               "v=spf1 mx:",
                               "v=spf1 ptr:",
                               "v=spf1 ptr/0",
                               "v=spf1 ++all",
                               "v=spf1 -",
                               "v=spf1 =x",
                               "v=spf1 redirect=",
                               "v=spf1 redirect=test",
                               "v=spf1 exp=",
                               "v=spf1 moo",
                               "v=spf1 moo=%",
                               "v=spf1 moo=\x80",
                               "v=spf1 a\tmx",
                               "v=spf1 a:x.test\x01",
                               "v=spf1 -redirect=ok.test",
                               "v=spf1 ip4:192.0.2.10 \xc3\xa4:x"})
        cases.push_back({record, permerror});
    expect_all(cases);
    Zone zone{world};
    const std::string with_nul("v=spf1 a:x.test\0 all", 20);
    const auto dns = [&](const std::string&, DnsType) {
        return RecordLookup{DnsStatus::found, {{"x", DnsType::txt, {}, "", 0, with_nul}}, ""};
    };
    EXPECT_EQ(check_spf(dns, {*IpAddress::parse("192.0.2.1"), Address("a", "x.test"), ""}).result, permerror);
}

TEST(Spf, TermsThatAskAreCounted) {
    const auto many = [](int count, const std::string& term) {
        std::string record = "v=spf1";
        for (int i = 0; i < count; ++i) record += " " + term;
        return record + " ip4:192.0.2.10 -all";
    };
    const auto result = [&](const std::string& record) { return verdict_of({record.c_str(), none}).result; };
    EXPECT_EQ(result(many(10, "a:far.test")), pass);
    EXPECT_EQ(result(many(11, "a:far.test")), permerror);
    EXPECT_EQ(result(many(10, "ptr:x.test")), pass);
    EXPECT_EQ(result(many(11, "ptr:x.test")), permerror);
    EXPECT_EQ(result(many(500, "ip4:192.0.2.1")), pass);
    EXPECT_EQ(result("v=spf1 include:loop.test"), permerror);
    EXPECT_EQ(result("v=spf1 -include:no.test -include:no.test a a a a a a a redirect=ok.test"), pass);
    EXPECT_EQ(result("v=spf1 -include:no.test -include:no.test a a a a a a a a redirect=ok.test"), permerror);
    EXPECT_EQ(result("v=spf1 -include:inner.test a:far.test a:far.test a:far.test a:far.test -all"), fail)
        << "the fifth mx matches";
    // Names of which DNS knows nothing.
    EXPECT_EQ(result(many(2, "a:gone.test")), pass);
    EXPECT_EQ(result(many(3, "a:gone.test")), permerror);
    EXPECT_EQ(result("v=spf1 a:void1.test mx:void2.test exists:void3.test ip4:192.0.2.10"), permerror);
    EXPECT_EQ(result("v=spf1 a:void1.test mx:void2.test ip4:192.0.2.10"), pass);
}

TEST(Spf, TooManyMailHosts) {
    const auto with_hosts = [](int count) {
        std::string text = "sender.test TXT v=spf1 mx -all\n";
        for (int i = 0; i < count; ++i) {
            text += fmt::format("sender.test MX m{}.far.test\nm{}.far.test A 192.0.2.{}\n", i, i, 100 + i);
        }
        Zone zone(text);
        return check_spf(std::ref(zone), {*IpAddress::parse("192.0.2.100"), Address("a", "sender.test"), "x"})
            .result;
    };
    EXPECT_EQ(with_hosts(10), pass);
    EXPECT_EQ(with_hosts(11), permerror);
}

TEST(Spf, DnsThatFails) {
    expect_all({
        {"v=spf1 a:ill.test all", temperror},
        {"v=spf1 mx:ill.test all", temperror},
        {"v=spf1 mx:illhost.test all", temperror},
        {"v=spf1 exists:ill.test all", temperror},
        {"v=spf1 ip4:192.0.2.10 a:ill.test", pass},
        {"v=spf1 ptr:ill.test -all", fail},
    });
}

TEST(Spf, NoDomainAndNoRecord) {
    Zone zone{world};
    const auto result = [&](const Address& sender, const std::string& helo = "no.test") {
        return check_spf(std::ref(zone), {*IpAddress::parse("192.0.2.10"), sender, helo}).result;
    };
    EXPECT_EQ(result(Address("a", "bare.test")), none);
    EXPECT_EQ(result(Address("a", "nowhere.test")), none);
    EXPECT_EQ(result(Address("a", "ill.test")), temperror);
    EXPECT_EQ(result(Address("a", "two.test")), permerror);
    EXPECT_EQ(result(Address()), fail) << "of the name in HELO";
    const int before = zone.questions;
    EXPECT_EQ(result(Address("a", "test")), none);
    EXPECT_EQ(result(Address("a", "[192.0.2.1]")), none);
    EXPECT_EQ(result(Address("a", std::string(64, 'a') + ".test")), none);
    EXPECT_EQ(result(Address(), "a..test"), none);
    EXPECT_EQ(result(Address(), "[192.0.2.1]"), none);
    EXPECT_EQ(result(Address(), ""), none);
    EXPECT_EQ(zone.questions, before) << "nobody was asked for what is no domain";
}

TEST(Spf, WhatFitsEverybodyTellsNothingOfAClient) {
    for (const char* record : {"v=spf1 +all", "v=spf1 ip4:128.0.0.0/1", "v=spf1 a/7",
                               "v=spf1 redirect=all.test", "v=spf1 include:all.test -all"}) {
        Zone zone(std::string("all.test TXT v=spf1 all\nsender.test A 192.1.1.1\nsender.test TXT ") + record);
        const auto verdict =
            check_spf(std::ref(zone), {*IpAddress::parse("192.0.2.10"), Address("a", "sender.test"), "x"});
        EXPECT_EQ(verdict.result, pass) << record << verdict.why;
        EXPECT_TRUE(verdict.passes_everybody) << record;
    }
    EXPECT_FALSE(verdict_of({"v=spf1 ip4:192.0.2.0/24 all", pass}).passes_everybody);
    EXPECT_FALSE(verdict_of({"v=spf1 -all", fail}).passes_everybody);
}

// Section 7.3: the left end is cut off label by label; a label that is too long makes a name of nothing.
TEST(Spf, NamesThatAreTooLong) {
    const std::string label(62, 'a');
    std::string asked;
    const auto dns = [&](const std::string& name, DnsType type) -> RecordLookup {
        if (type != DnsType::txt) {
            asked = name;
            return {DnsStatus::no_data, {}, ""};
        }
        const std::string record = fmt::format("v=spf1 exists:{0}.{0}.{0}.{0}.%{{l}}.end.test -all", label);
        return {DnsStatus::found, {{name, type, {}, "", 0, record}}, ""};
    };
    const auto ask_for = [&](const std::string& sender) {
        asked.clear();
        const SpfClaim claim{*IpAddress::parse("192.0.2.1"), Address(sender, "sender.test"), "x"};
        EXPECT_EQ(check_spf(dns, claim).result, fail);
        return asked;
    };
    EXPECT_EQ(ask_for("b"), fmt::format("{0}.{0}.{0}.b.end.test", label));
    EXPECT_EQ(ask_for(std::string(64, 'b')), "");
    EXPECT_EQ(ask_for("b c"), fmt::format("{0}.{0}.{0}.b\\032c.end.test", label));
    EXPECT_EQ(ask_for("b..c"), "");
}

TEST(Spf, AnIllServerCostsNoMoreThanTheTimeThereIs) {
    FakeDns silent([](const FakeQuery&) { return std::vector<FakeAnswer>(); });
    const Resolver resolver =
        Resolver(test_settings({silent.endpoint()})).until(Deadline::after(Milliseconds(50)));
    const auto verdict = check_spf(resolver, {*IpAddress::parse("192.0.2.1"), Address("a", "far.test"), "x"});
    EXPECT_EQ(verdict.result, temperror);
    EXPECT_NE(verdict.why, "");
}

}  // namespace
}  // namespace postoffice
