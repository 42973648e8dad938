#include "postoffice/net/resolver.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>

#include "dns_servers.h"
#include "postoffice/base/error.h"

namespace postoffice {
namespace {

// A file that is gone with the test.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& contents) {
        std::string pattern = (std::filesystem::temp_directory_path() / "postoffice-XXXXXX").string();
        const Fd file(::mkstemp(pattern.data()));
        path_ = pattern;
        std::ofstream(path_) << contents;
    }
    ~TemporaryFile() { std::filesystem::remove(path_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// Against a real server.
class ResolverWithNsd : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (!Nsd::is_installed()) return;
        std::string many;
        for (int i = 0; i < 200; ++i)
            many += "big MX " + std::to_string(i) + " host" + std::to_string(i) + "\n";
        nsd = std::make_unique<Nsd>(std::map<std::string, std::string>{
            {"a.test.",
             "@ MX 10 mail\n@ MX 20 Backup.B.Test.\nmail A 192.0.2.1\nmail A 192.0.2.2\nmail AAAA "
             "2001:db8::1\n"
             "www CNAME mail\nfar CNAME away.b.test.\ndangling CNAME nothing.a.test.\nbare TXT x\nnull MX 0 "
             ".\n"
             "six AAAA 2001:db8::6\nempty CNAME bare\ndeep.er A 192.0.2.3\n" +
                 many},
            {"b.test.", "away A 192.0.2.9\naway MX 5 away\n"},
            {"2.0.192.in-addr.arpa.",
             "1 PTR Mail.A.Test.\n1 PTR bad\\032name.test.\n2 PTR \\000\\010.test.\n"
             "3 CNAME 3.sub\n3.sub PTR sub.a.test.\n"}});
    }
    static void TearDownTestSuite() { nsd.reset(); }
    void SetUp() override {
        if (!nsd) GTEST_SKIP() << "nsd is not installed";
    }
    Resolver resolver() const { return Resolver(test_settings({nsd->endpoint()})); }

    static std::unique_ptr<Nsd> nsd;
};
std::unique_ptr<Nsd> ResolverWithNsd::nsd;

TEST_F(ResolverWithNsd, AddressesOfBothFamilies) {
    const auto lookup = resolver().addresses("Mail.A.test.");
    ASSERT_EQ(lookup.status, DnsStatus::found) << lookup.why;
    auto list = texts(lookup.addresses);
    ASSERT_EQ(list.size(), 3U);
    EXPECT_EQ(list[0], "2001:db8::1");
    EXPECT_EQ(std::set<std::string>(list.begin() + 1, list.end()),
              (std::set<std::string>{"192.0.2.1", "192.0.2.2"}));
    EXPECT_EQ(texts(resolver().addresses("six.a.test").addresses), Texts{"2001:db8::6"});
}

TEST_F(ResolverWithNsd, MxRecordsAsTheyAre) {
    const auto lookup = resolver().mx("a.test");
    ASSERT_EQ(lookup.status, DnsStatus::found) << lookup.why;
    std::set<std::pair<int, std::string>> records;
    for (const auto& record : lookup.records) records.emplace(record.preference, record.host);
    EXPECT_EQ(records, (std::set<std::pair<int, std::string>>{{10, "mail.a.test"}, {20, "backup.b.test"}}));
    const auto null_mx = resolver().mx("null.a.test");
    ASSERT_EQ(null_mx.records.size(), 1U);
    EXPECT_EQ(null_mx.records[0].host, "");
}

TEST_F(ResolverWithNsd, NoNameAndNoDataAreTwoThings) {
    EXPECT_EQ(resolver().addresses("nothing.a.test").status, DnsStatus::no_name);
    EXPECT_EQ(resolver().mx("nothing.a.test").status, DnsStatus::no_name);
    EXPECT_EQ(resolver().addresses("bare.a.test").status, DnsStatus::no_data);
    EXPECT_EQ(resolver().mx("bare.a.test").status, DnsStatus::no_data);
    EXPECT_EQ(resolver().addresses("er.a.test").status, DnsStatus::no_data)
        << "a name with names below it exists";
    EXPECT_NE(resolver().mx("bare.a.test").why, "");
}

TEST_F(ResolverWithNsd, CnamesAreFollowed) {
    EXPECT_EQ(resolver().addresses("www.a.test").addresses.size(), 3U);
    EXPECT_EQ(texts(resolver().addresses("far.a.test").addresses), Texts{"192.0.2.9"}) << "into another zone";
    EXPECT_EQ(resolver().mx("far.a.test").records.at(0).host, "away.b.test");
    EXPECT_EQ(resolver().addresses("dangling.a.test").status, DnsStatus::no_name);
    EXPECT_EQ(resolver().addresses("empty.a.test").status, DnsStatus::no_data);
}

TEST_F(ResolverWithNsd, AnswersTooLargeForADatagramComeByTcp) {
    const auto lookup = resolver().mx("big.a.test");
    EXPECT_EQ(lookup.status, DnsStatus::found) << lookup.why;
    EXPECT_EQ(lookup.records.size(), 200U);
}

TEST_F(ResolverWithNsd, NamesOfAnAddress) {
    EXPECT_EQ(resolver().names(*IpAddress::parse("192.0.2.1")).names, Texts{"mail.a.test"});
    EXPECT_EQ(resolver().names(*IpAddress::parse("192.0.2.3")).names, Texts{"sub.a.test"}) << "RFC 2317";
    EXPECT_EQ(resolver().names(*IpAddress::parse("192.0.2.9")).status, DnsStatus::no_name);
    const auto unusable = resolver().names(*IpAddress::parse("192.0.2.2"));
    EXPECT_EQ(unusable.status, DnsStatus::no_data);
    EXPECT_TRUE(unusable.names.empty());
}

TEST_F(ResolverWithNsd, ServerThatRefusesTheZoneSaysNothingAboutTheName) {
    const auto lookup = resolver().mx("elsewhere.example");
    EXPECT_EQ(lookup.status, DnsStatus::temporary);
    EXPECT_NE(lookup.why.find("REFUSED"), std::string::npos) << lookup.why;
}

TEST(Resolver, WhatIsNoNameIsNotAsked) {
    FakeDns server(proper_answer);
    const Resolver resolver(test_settings({server.endpoint()}));
    for (const std::string name : {"", ".", "a..b", "a b", "\xff.test"}) {
        EXPECT_EQ(resolver.addresses(name).status, DnsStatus::no_name) << name;
        EXPECT_EQ(resolver.mx(name).status, DnsStatus::no_name) << name;
    }
    EXPECT_EQ(texts(resolver.addresses("192.0.2.7").addresses), Texts{"192.0.2.7"});
    EXPECT_EQ(texts(resolver.addresses("2001:db8::7").addresses), Texts{"2001:db8::7"});
    EXPECT_EQ(server.questions(), 0);
}

TEST(Resolver, HostsFileComesFirst) {
    const TemporaryFile hosts(
        "# comment\n192.0.2.50 Box.lan\tbox #trailing other\n\n2001:db8::50 box.lan\r\nnonsense "
        "box.lan\n192.0.2.51\n"
        "192.0.2.52 last");
    FakeDns server(proper_answer);
    auto settings = test_settings({server.endpoint()});
    settings.hosts_file = hosts.path();
    const Resolver resolver(settings);
    EXPECT_EQ(texts(resolver.addresses("BOX.lan.").addresses), (Texts{"2001:db8::50", "192.0.2.50"}));
    EXPECT_EQ(texts(resolver.addresses("last").addresses), Texts{"192.0.2.52"});
    EXPECT_EQ(resolver.names(*IpAddress::parse("192.0.2.50")).names, (Texts{"box.lan", "box"}));
    EXPECT_EQ(resolver.listed_addresses("other").status, DnsStatus::no_name);
    EXPECT_EQ(texts(resolver.addresses("localhost").addresses), (Texts{"::1", "127.0.0.1"}));
    EXPECT_EQ(server.questions(), 0);
    EXPECT_EQ(texts(resolver.addresses("other").addresses), Texts{std::string(good)});
}

TEST(ResolverSettings, NameServersOfTheConfiguration) {
    const auto settings = ResolverSettings::from(
        {*Endpoint::parse("192.0.2.2:5353", dns_port), *Endpoint::parse("[2001:db8::1]", dns_port)});
    ASSERT_EQ(settings.servers.size(), 2U);
    EXPECT_EQ(settings.servers[0].to_string(), "192.0.2.2:5353");
    EXPECT_EQ(settings.servers[1].to_string(), "[2001:db8::1]:53");
}

TEST(ResolverSettings, ResolvConf) {
    const TemporaryFile file(
        "# nameserver 192.0.2.9\nsearch example\nnameserver\t192.0.2.1 \nnameserver fe80::1%none\n"
        "nameserver fe80::1%lo\nnameserver 2001:db8::1\noptions rotate timeout:3 attempts:99\nnameserver");
    const auto settings = ResolverSettings::from({}, file.path());
    ASSERT_EQ(settings.servers.size(), 3U);
    EXPECT_EQ(settings.servers[0].to_string(), "192.0.2.1:53");
    EXPECT_EQ(settings.servers[1].to_string(), "[fe80::1%lo]:53");
    EXPECT_EQ(settings.servers[2].to_string(), "[2001:db8::1]:53");
    EXPECT_EQ(settings.timeout, Milliseconds(3000));
    EXPECT_EQ(settings.attempts, 5);
    const auto none = ResolverSettings::from({}, file.path() + ".missing");
    ASSERT_EQ(none.servers.size(), 1U);
    EXPECT_EQ(none.servers[0].to_string(), "127.0.0.1:53");
}

TEST(ResolverSettings, ServersOnThisHostAreTrustedAndThoseThatResolvConfTrusts) {
    const TemporaryFile plain("nameserver 192.0.2.1\noptions timeout:3\n");
    const TemporaryFile trusting("nameserver 192.0.2.1\noptions timeout:3 trust-ad\n");
    const TemporaryFile mixed("nameserver 127.0.0.1\nnameserver 192.0.2.1\n");
    EXPECT_FALSE(ResolverSettings::from({}, plain.path()).are_trusted);
    EXPECT_FALSE(ResolverSettings::from({}, mixed.path()).are_trusted);
    EXPECT_TRUE(ResolverSettings::from({}, trusting.path()).are_trusted);
    EXPECT_TRUE(ResolverSettings::from({}, plain.path() + ".missing").are_trusted);  // 127.0.0.1
    EXPECT_TRUE(ResolverSettings::from({*Endpoint::parse("[::1]:5353", dns_port)}, plain.path()).are_trusted);
    EXPECT_FALSE(
        ResolverSettings::from({*Endpoint::parse("192.0.2.2", dns_port)}, trusting.path()).are_trusted);
}

TEST(ResolverSource, HasNewsWhenResolvConfChanged) {
    const TemporaryFile file("");
    const std::string path = file.path() + ".later";
    const std::vector<Endpoint> none;
    ResolverSource source(none, path);
    EXPECT_EQ(source.news().value().servers.at(0).to_string(), "127.0.0.1:53");
    EXPECT_FALSE(source.news());
    const auto write = [&](const std::string& text) {
        std::ofstream(path + ".new") << text;
        ASSERT_EQ(::rename((path + ".new").c_str(), path.c_str()), 0);
    };
    write("nameserver 192.0.2.1\n");
    EXPECT_EQ(source.news().value().servers.at(0).to_string(), "192.0.2.1:53");
    EXPECT_FALSE(source.news());
    write("nameserver 192.0.2.2\n");
    EXPECT_EQ(source.news().value().servers.at(0).to_string(), "192.0.2.2:53");
    ASSERT_EQ(::unlink(path.c_str()), 0);
    EXPECT_EQ(source.news().value().servers.at(0).to_string(), "127.0.0.1:53");

    const std::vector<Endpoint> given{*Endpoint::parse("192.0.2.9", dns_port)};
    ResolverSource configured(given, path);
    EXPECT_TRUE(configured.news());
    write("nameserver 192.0.2.1\n");
    EXPECT_FALSE(configured.news());
    ASSERT_EQ(::unlink(path.c_str()), 0);
}

}  // namespace
}  // namespace postoffice
