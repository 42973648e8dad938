// DNS as a table, and cases of a client, a sender and the expected SPF result.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "dns_servers.h"
#include "postoffice/base/text.h"
#include "postoffice/policy/spf.h"

namespace postoffice::testing_spf {

/// "NAME TYPE VALUE" lines; a value of "!" is a name for which DNS fails.
class Zone {
  public:
    explicit Zone(const std::string& text) {
        for (const auto line : split(text, '\n')) {
            auto rest = trim(line);
            if (rest.empty()) continue;
            const std::string name(read_until(rest, ' '));
            const std::string type(read_until(rest, ' '));
            add(name, type, std::string(rest));
        }
    }

    RecordLookup operator()(const std::string& name, DnsType type) {
        ++questions;
        const auto domain = names_.find(normalized_name(name));
        if (domain == names_.end()) return {DnsStatus::no_name, {}, "no such name"};
        const auto records = domain->second.find(type);
        if (records == domain->second.end()) return {DnsStatus::no_data, {}, "no such record"};
        if (records->second.empty()) return {DnsStatus::temporary, {}, "the server is ill"};
        return {DnsStatus::found, records->second, ""};
    }

    int questions = 0;

  private:
    void add(const std::string& name, const std::string& type_name, const std::string& value) {
        const std::map<std::string, DnsType> types{{"A", DnsType::a},     {"AAAA", DnsType::aaaa},
                                                   {"MX", DnsType::mx},   {"TXT", DnsType::txt},
                                                   {"PTR", DnsType::ptr}, {"NONE", DnsType::soa}};
        const DnsType type = types.at(type_name);
        auto& records = names_[name][type];
        if (value == "!") return;
        DnsRecord record{name, type, IpAddress::parse(value).value_or(IpAddress()), value, 10, value};
        records.push_back(record);
    }

    std::map<std::string, std::map<DnsType, std::vector<DnsRecord>>> names_;
};

inline const char* const world = R"(
    mail.far.test A 192.0.2.10
    mail.far.test AAAA 2001:db8::10
    far.test A 192.0.2.11
    far.test MX mail.far.test
    10.2.0.192.in-addr.arpa PTR mail.far.test
    20.2.0.192.in-addr.arpa PTR liar.far.test
    liar.far.test A 192.0.2.99
    ok.test TXT v=spf1 ip4:192.0.2.0/24 -all
    no.test TXT v=spf1 -all
    maybe.test TXT v=spf1 ?all
    soft.test TXT v=spf1 ~all
    broken.test TXT v=spf1 foo
    ill.test TXT !
    ill.test A !
    ill.test MX !
    illhost.test MX ill.test
    bare.test TXT something else
    two.test TXT v=spf1 -all
    two.test TXT v=spf1 +all
    among.test TXT v=spf10 all
    among.test TXT v=spf1 ip4:192.0.2.10
    void1.test NONE x
    void2.test NONE x
    void3.test NONE x
    nomx.test MX .
    test.192.0.2.10.far.test A 127.0.0.2
    10.2.0.192.in-addr.spf.test A 127.0.0.2
    bob.users.test A 127.0.0.2
    strong-bad.users.test A 127.0.0.2
    bad.strong.users.test A 127.0.0.2
    alpha.test.far.users.test A 127.0.0.2
    client.example.helo.test A 127.0.0.2
    mail.far.test.names.test A 127.0.0.2
    0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.spf.test A 127.0.0.2
    0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mail.far.test
    redirected.test TXT v=spf1 redirect=%{d2}.to.test
    redirected.test.to.test TXT v=spf1 ip4:192.0.2.10 -all
    loop.test TXT v=spf1 include:loop.test -all
    inner.test TXT v=spf1 mx:far.test mx:far.test mx:far.test mx:far.test mx:far.test -all
)";

struct Case {
    const char* record;  ///< of sender.test
    SpfResult expected;
    const char* client = "192.0.2.10";
    const char* sender = "strong-bad@sender.test";
};

using enum SpfResult;

inline SpfVerdict verdict_of(const Case& c) {
    Zone zone(std::string(world) + "sender.test A 192.0.2.77\nsender.test TXT " + c.record + "\n");
    return check_spf([&](const std::string& name, DnsType type) { return zone(name, type); },
                     {*IpAddress::parse(c.client), *parse_addr_spec(c.sender), "client.example"});
}

inline void expect_all(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
        const SpfVerdict verdict = verdict_of(c);
        EXPECT_EQ(to_string(verdict.result), to_string(c.expected)) << c.record << ": " << verdict.why;
    }
}

}  // namespace postoffice::testing_spf
