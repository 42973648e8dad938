// Where TLSA records are looked for, and when they are not. RFC 7672 section 2.2.
#include "postoffice/outbound/dane.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "dns_servers.h"

namespace postoffice {
namespace {

using DaneStatus = DaneRecords::Status;

constexpr unsigned authentic_flag = 0x0020;
constexpr unsigned server_failure = 2;
const std::string right(
    "\x03\x01\x01"
    "0123456789abcdef0123456789abcdef");

class DaneTest : public ::testing::Test {
  protected:
    DaneTest()
        : dns_([this](const FakeQuery& query) { return answer(query); }),
          settings_(test_settings({dns_.endpoint()})) {
        settings_.are_trusted = true;
        settings_.attempts = 1;
    }

    std::vector<FakeAnswer> answer(const FakeQuery& query) {
        const std::string& name = query.question.name;
        asked_.insert(name);
        unsigned flags = response_flags | (unsigned_.contains(name) ? 0 : authentic_flag);
        if (failing_.contains(name)) flags |= server_failure;
        std::vector<std::string> records;
        if (query.question.type == DnsType::tlsa && tlsa_.contains(name))
            records.push_back(wire_record(name, DnsType::tlsa, tlsa_.at(name)));
        if (query.question.type == DnsType::cname && name == "alias.test")
            records.push_back(cname_record(name, "mx.test"));
        return {{wire_response(query, flags, records)}};
    }
    DaneRecords look(const MailHost& host) { return find_dane_records(Resolver(settings_), host, 25); }
    static MailHost host(bool is_confirmed = true, bool has_secure_addresses = true) {
        return {"mx.test", 10, {}, is_confirmed, has_secure_addresses, "mx.test"};
    }
    static MailHost alias(bool has_secure_addresses) {
        return {"alias.test", 10, {}, true, has_secure_addresses, "mx.test"};
    }

    std::map<std::string, std::string> tlsa_{{"_25._tcp.mx.test", right}};
    std::set<std::string> unsigned_, failing_, asked_;
    FakeDns dns_;
    ResolverSettings settings_;
};

TEST_F(DaneTest, SignedRecordsOfASignedHostCount) {
    const DaneRecords found = look(host());
    ASSERT_EQ(found.status, DaneStatus::found) << found.why;
    EXPECT_EQ(found.base, "mx.test");
    EXPECT_EQ(found.records, (std::vector<TlsaRecord>{{3, 1, 1, right.substr(3)}}));
}

TEST_F(DaneTest, BelowAnUnsignedHostNothingIsAsked) {
    EXPECT_EQ(look(host(false, true)).status, DaneStatus::none);
    EXPECT_EQ(look(host(true, false)).status, DaneStatus::none);
    MailHost listed = host();
    listed.canonical_name.clear();
    EXPECT_EQ(look(listed).status, DaneStatus::none);
    settings_.are_trusted = false;
    EXPECT_EQ(look(host()).status, DaneStatus::none);
    EXPECT_EQ(dns_.questions(), 0);
}

TEST_F(DaneTest, UnsignedRecordsAreNone) {
    unsigned_.insert("_25._tcp.mx.test");
    EXPECT_EQ(look(host()).status, DaneStatus::none);
}

TEST_F(DaneTest, AFailureBelowASignedHostIsNoAnswer) {
    failing_.insert("_25._tcp.mx.test");
    EXPECT_EQ(look(host()).status, DaneStatus::temporary);
}

TEST_F(DaneTest, WithoutRecordsThereIsNone) {
    tlsa_.clear();
    EXPECT_EQ(look(host()).status, DaneStatus::none);
}

TEST_F(DaneTest, ARecordThatIsCutOffIsOfNoUse) {
    tlsa_["_25._tcp.mx.test"] = "\x03";
    const DaneRecords found = look(host());
    ASSERT_EQ(found.status, DaneStatus::found);
    EXPECT_EQ(found.records.at(0).usage, 255);
}

TEST_F(DaneTest, TheEndOfASecureAliasIsAskedFirstThenTheAlias) {
    EXPECT_EQ(look(alias(true)).base, "mx.test");
    EXPECT_FALSE(asked_.contains("_25._tcp.alias.test"));
    tlsa_ = {{"_25._tcp.alias.test", right}};
    EXPECT_EQ(look(alias(true)).base, "alias.test");
}

TEST_F(DaneTest, OfASignedAliasToAnUnsignedHostTheAliasCounts) {
    tlsa_["_25._tcp.alias.test"] = right;
    EXPECT_EQ(look(alias(false)).base, "alias.test");
    EXPECT_FALSE(asked_.contains("_25._tcp.mx.test"));
    unsigned_.insert("alias.test");
    EXPECT_EQ(look(alias(false)).status, DaneStatus::none);
}

}  // namespace
}  // namespace postoffice
