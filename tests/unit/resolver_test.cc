#include "postoffice/net/resolver.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>

#include "dns_servers.h"
#include "postoffice/base/error.h"

namespace postoffice {
namespace {

std::vector<std::string> texts(const std::vector<IpAddress>& addresses) {
    std::vector<std::string> list;
    for (const auto& address : addresses) list.push_back(address.to_string());
    return list;
}

using Texts = std::vector<std::string>;

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

// What a server must not do.
constexpr std::string_view good = "192.0.2.1";
constexpr std::string_view forged = "192.0.2.66";

std::string answer_with(const FakeQuery& query, std::string_view address) {
    return wire_response(query, response_flags, {a_record(query.question.name, address)});
}

// Only A has data, so that address lookups have one answer to look at.
std::vector<FakeAnswer> proper_answer(const FakeQuery& query) {
    if (query.question.type == DnsType::a) return {{answer_with(query, good)}};
    return {{wire_response(query, response_flags, {}, {wire_record("test", DnsType::soa, "x")})}};
}

// For tests that wait for silence. Where an answer has to come after it, `patience` must bear a busy machine.
Resolver quick(std::vector<Endpoint> servers, int attempts = 1, Milliseconds patience = Milliseconds(200)) {
    auto settings = test_settings(std::move(servers));
    settings.timeout = patience;
    settings.attempts = attempts;
    return Resolver(settings);
}

void expect_found(const AddressLookup& lookup, std::string_view address) {
    EXPECT_EQ(lookup.status, DnsStatus::found) << lookup.why;
    EXPECT_EQ(texts(lookup.addresses), Texts{std::string(address)});
}

TEST(Resolver, TruncatedAnswersAreAskedAgainByTcp) {
    FakeDns server([](const FakeQuery& query) -> std::vector<FakeAnswer> {
        if (query.by_tcp) return proper_answer(query);
        return {{wire_response(query, response_flags | truncated_flag, {a_record("a.test", forged)})}};
    });
    expect_found(Resolver(test_settings({server.endpoint()})).addresses("a.test"), good);
    EXPECT_EQ(server.questions(), 4);
}

TEST(Resolver, TcpAnswersThatLieAreNotBelieved) {
    const std::vector<std::function<std::vector<FakeAnswer>(FakeQuery)>> lies = {
        [](const FakeQuery&) { return std::vector<FakeAnswer>{}; },  // closes
        [](const FakeQuery&) {
            return std::vector<FakeAnswer>{{wire_u16(100) + "short", false, false}};
        },
        [](const FakeQuery&) {
            return std::vector<FakeAnswer>{{wire_u16(0), false, false}};
        },
        [](FakeQuery query) {
            query.id ^= 1;
            return std::vector<FakeAnswer>{{answer_with(query, forged)}};
        },
        [](const FakeQuery& query) {
            return std::vector<FakeAnswer>{{wire_response(query, response_flags | truncated_flag, {})}};
        },
    };
    for (const auto& lie : lies) {
        FakeDns server([&](const FakeQuery& query) -> std::vector<FakeAnswer> {
            if (query.by_tcp) return lie(query);
            return {{wire_response(query, response_flags | truncated_flag, {})}};
        });
        EXPECT_EQ(quick({server.endpoint()}).addresses("a.test").status, DnsStatus::temporary);
    }
}

using Forge = std::function<FakeAnswer(FakeQuery)>;

struct NamedForge {
    const char* name;
    Forge make;
};

class ForgedAnswer : public testing::TestWithParam<NamedForge> {};

TEST_P(ForgedAnswer, IsIgnoredAndTheRealOneTaken) {
    FakeDns server([](const FakeQuery& query) {
        auto answers = proper_answer(query);
        answers.insert(answers.begin(), GetParam().make(query));
        return answers;
    });
    // The real answer comes at once, so patience costs nothing.
    expect_found(Resolver(test_settings({server.endpoint()})).addresses("a.test"), good);
}

TEST_P(ForgedAnswer, AloneIsNoAnswer) {
    FakeDns server([](const FakeQuery& query) { return std::vector<FakeAnswer>{GetParam().make(query)}; });
    const auto lookup = quick({server.endpoint()}).addresses("a.test");
    EXPECT_EQ(lookup.status, DnsStatus::temporary);
    EXPECT_TRUE(lookup.addresses.empty());
}

std::string with_octet(std::string octets, std::size_t from_end, char value) {
    octets[octets.size() - from_end] = value;
    return octets;
}

INSTANTIATE_TEST_SUITE_P(
    Resolver, ForgedAnswer,
    testing::Values(NamedForge{"WrongId",
                               [](FakeQuery query) {
                                   query.id ^= 0x100;
                                   return FakeAnswer{answer_with(query, forged)};
                               }},
                    NamedForge{"OtherName",
                               [](FakeQuery query) {
                                   query.question.name = "b.test";
                                   return FakeAnswer{answer_with(query, forged)};
                               }},
                    NamedForge{"OtherType",
                               [](FakeQuery query) {
                                   query.question.type = DnsType::mx;
                                   return FakeAnswer{answer_with(query, forged)};
                               }},
                    NamedForge{"OtherPort",
                               [](const FakeQuery& query) {
                                   return FakeAnswer{answer_with(query, forged), true};
                               }},
                    NamedForge{"NotAnAnswer",
                               [](const FakeQuery& query) {
                                   return FakeAnswer{
                                       wire_response(query, 0x0100, {a_record("a.test", forged)})};
                               }},
                    NamedForge{"NoQuestion",
                               [](const FakeQuery& query) {
                                   return FakeAnswer{wire_u16(query.id) + wire_u16(response_flags) +
                                                     wire_u16(0) + wire_u16(1) + std::string(4, '\0') +
                                                     a_record("a.test", forged)};
                               }},
                    NamedForge{"NegativeWithoutQuestion",
                               [](const FakeQuery& query) {
                                   return FakeAnswer{wire_u16(query.id) + wire_u16(response_flags | 3) +
                                                     std::string(8, '\0')};
                               }},
                    NamedForge{"Empty", [](const FakeQuery&) { return FakeAnswer{}; }},
                    NamedForge{"CutShort",
                               [](const FakeQuery& query) {
                                   std::string octets = answer_with(query, forged);
                                   octets.pop_back();
                                   return FakeAnswer{octets};
                               }},
                    NamedForge{"DataBeyondTheEnd",
                               [](const FakeQuery& query) {
                                   return FakeAnswer{with_octet(answer_with(query, forged), 5, 16)};
                               }},
                    NamedForge{"CompressionLoop",
                               [](const FakeQuery& query) {
                                   std::string octets = wire_response(query, response_flags, {});
                                   octets[7] = 1;
                                   return FakeAnswer{octets + "\xc0" + static_cast<char>(octets.size()) +
                                                     a_record("", forged).substr(1)};
                               }}),
    [](const auto& forge) { return forge.param.name; });

TEST(Resolver, SilentServerGivesWayToTheNext) {
    FakeDns silent([](const FakeQuery&) { return std::vector<FakeAnswer>{}; });
    FakeDns second(proper_answer);
    const auto resolver = quick({silent.endpoint(), second.endpoint()}, 1, Milliseconds(1000));
    EXPECT_EQ(resolver.mx("a.test").status, DnsStatus::no_data);
    EXPECT_EQ(silent.questions(), 1);
    EXPECT_EQ(second.questions(), 1);
}

TEST(Resolver, ClosedPortGivesWayToTheNext) {
    Endpoint closed;
    {
        FakeDns gone(proper_answer);
        closed = gone.endpoint();
    }
    FakeDns second(proper_answer);
    expect_found(Resolver(test_settings({closed, second.endpoint()})).addresses("a.test"), good);
}

TEST(Resolver, FailingServerGivesWayToTheNext) {
    for (const unsigned code : {2U, 5U, 9U}) {
        FakeDns failing([code](const FakeQuery& query) {
            return std::vector<FakeAnswer>{{wire_response(query, response_flags | code, {})}};
        });
        FakeDns second(proper_answer);
        expect_found(Resolver(test_settings({failing.endpoint(), second.endpoint()})).addresses("a.test"),
                     good);
        const auto lookup = Resolver(test_settings({failing.endpoint()})).addresses("a.test");
        EXPECT_EQ(lookup.status, DnsStatus::temporary);
        EXPECT_NE(lookup.why.find(to_string(DnsCode{static_cast<std::uint16_t>(code)})), std::string::npos)
            << lookup.why;
    }
}

TEST(Resolver, FailureWithABareHeaderIsHeardAtOnce) {
    FakeDns failing([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{{wire_u16(query.id) + wire_u16(0x8182) + std::string(8, '\0')}};
    });
    const auto lookup = Resolver(test_settings({failing.endpoint()})).addresses("a.test");
    EXPECT_EQ(lookup.status, DnsStatus::temporary);
    EXPECT_NE(lookup.why.find("SERVFAIL"), std::string::npos) << lookup.why;
}

TEST(Resolver, ShortestNegativeAnswerCounts) {
    FakeDns server([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{{wire_response(query, response_flags | 3, {})}};
    });
    EXPECT_EQ(Resolver(test_settings({server.endpoint()})).addresses("a").status, DnsStatus::no_name);
    EXPECT_EQ(server.questions(), 1) << "a name that does not exist needs no second question";
}

TEST(Resolver, OneAnswerIsAskedForOnce) {
    FakeDns server(proper_answer);
    FakeDns spare(proper_answer);
    const Resolver resolver(test_settings({server.endpoint(), spare.endpoint()}));
    EXPECT_EQ(resolver.mx("a.test").status, DnsStatus::no_data);
    EXPECT_EQ(server.questions(), 1);
    EXPECT_EQ(resolver.addresses("a.test").status, DnsStatus::found);
    EXPECT_EQ(server.questions(), 3);
    EXPECT_EQ(spare.questions(), 0);
}

TEST(Resolver, ReferralIsNotAnAnswer) {
    FakeDns server([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{
            {wire_response(query, 0x8000, {}, {wire_record("test", DnsType::ns, wire_name("ns.test"))})}};
    });
    EXPECT_EQ(quick({server.endpoint()}).addresses("a.test").status, DnsStatus::temporary);
}

TEST(Resolver, EdnsIsTakenBackForAnOldServer) {
    for (const unsigned code : {1U, 4U}) {
        FakeDns old([code](const FakeQuery& query) -> std::vector<FakeAnswer> {
            if (query.has_edns)
                return {{wire_u16(query.id) + wire_u16(0x8180 | code) + std::string(8, '\0')}};
            return proper_answer(query);
        });
        expect_found(Resolver(test_settings({old.endpoint()})).addresses("a.test"), good);
    }
}

TEST(Resolver, ServerThatDropsEdnsIsReachedInTheSecondRound) {
    FakeDns old([](const FakeQuery& query) {
        return query.has_edns ? std::vector<FakeAnswer>{} : proper_answer(query);
    });
    const auto resolver = quick({old.endpoint()}, 2, Milliseconds(1000));
    EXPECT_EQ(resolver.mx("a.test").status, DnsStatus::no_data);
}

TEST(Resolver, IdsAndPortsAreNotPredictable) {
    std::mutex mutex;
    std::set<int> ids;
    std::set<int> ports;
    FakeDns server([&](const FakeQuery& query) {
        const std::lock_guard lock(mutex);
        ids.insert(query.id);
        ports.insert(query.client_port);
        return proper_answer(query);
    });
    const Resolver resolver(test_settings({server.endpoint()}));
    for (int i = 0; i < 40; ++i) (void)resolver.mx("a.test");
    EXPECT_GT(ids.size(), 30U);
    EXPECT_GT(ports.size(), 20U);
}

// c0 -> c1 -> ... -> cN, which has an address; `at_once` puts all of the chain into each answer.
FakeDns::Reply chain_of(int length, bool at_once) {
    return [length, at_once](const FakeQuery& query) -> std::vector<FakeAnswer> {
        std::vector<std::string> records;
        int at = std::stoi(query.question.name.substr(1));
        do {
            const std::string owner = "c" + std::to_string(at);
            if (at < length)
                records.push_back(cname_record(owner, "c" + std::to_string(at + 1)));
            else if (query.question.type == DnsType::a)
                records.push_back(a_record(owner, good));
            ++at;
        } while (at_once && at <= length);
        return {{wire_response(query, response_flags, records)}};
    };
}

TEST(Resolver, TenCnamesAreFollowedAndNoMore) {
    for (const bool at_once : {false, true}) {
        FakeDns ten(chain_of(10, at_once));
        expect_found(Resolver(test_settings({ten.endpoint()})).addresses("c0"), good);
        FakeDns eleven(chain_of(11, at_once));
        const auto lookup = Resolver(test_settings({eleven.endpoint()})).addresses("c0");
        EXPECT_EQ(lookup.status, DnsStatus::temporary);
        EXPECT_NE(lookup.why.find("CNAME"), std::string::npos) << lookup.why;
    }
}

TEST(Resolver, CnameLoopsEnd) {
    FakeDns separate([](const FakeQuery& query) {
        const std::string other = query.question.name == "a.test" ? "b.test" : "a.test";
        return std::vector<FakeAnswer>{
            {wire_response(query, response_flags, {cname_record(query.question.name, other)})}};
    });
    EXPECT_EQ(Resolver(test_settings({separate.endpoint()})).addresses("a.test").status,
              DnsStatus::temporary);
    EXPECT_LE(separate.questions(), 11);
    FakeDns itself([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{
            {wire_response(query, response_flags, {cname_record(query.question.name, query.question.name)})}};
    });
    EXPECT_EQ(Resolver(test_settings({itself.endpoint()})).mx("a.test").status, DnsStatus::temporary);
    EXPECT_EQ(itself.questions(), 1);
}

TEST(Resolver, CnameToWhatIsNoNameIsPermanent) {
    FakeDns server([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{{wire_response(query, response_flags, {cname_record("a.test", "")})}};
    });
    EXPECT_EQ(Resolver(test_settings({server.endpoint()})).addresses("a.test").status, DnsStatus::no_name);
}

TEST(Resolver, RecordsOfOtherNamesAreNotTaken) {
    FakeDns server([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{{wire_response(query, response_flags, {a_record("b.test", forged)})}};
    });
    EXPECT_EQ(Resolver(test_settings({server.endpoint()})).addresses("a.test").status, DnsStatus::no_data);
}

TEST(Resolver, LostAaaaDoesNotLoseTheA) {
    FakeDns server([](const FakeQuery& query) {
        return query.question.type == DnsType::a ? proper_answer(query) : std::vector<FakeAnswer>{};
    });
    expect_found(quick({server.endpoint()}, 1, Milliseconds(1000)).addresses("a.test"), good);
    FakeDns only_silence([](const FakeQuery& query) {
        if (query.question.type == DnsType::aaaa) return std::vector<FakeAnswer>{};
        return std::vector<FakeAnswer>{{wire_response(query, response_flags, {})}};
    });
    EXPECT_EQ(quick({only_silence.endpoint()}).addresses("a.test").status, DnsStatus::temporary);
}

TEST(Resolver, WhatIsNoNameIsNotAsked) {
    FakeDns server(proper_answer);
    const Resolver resolver(test_settings({server.endpoint()}));
    for (const std::string name : {"", ".", "a..b", "a b", "\xff.test"}) {
        EXPECT_EQ(resolver.addresses(name).status, DnsStatus::no_name) << name;
        EXPECT_EQ(resolver.mx(name).status, DnsStatus::no_name) << name;
    }
    expect_found(resolver.addresses("192.0.2.7"), "192.0.2.7");
    expect_found(resolver.addresses("2001:db8::7"), "2001:db8::7");
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
    expect_found(resolver.addresses("last"), "192.0.2.52");
    EXPECT_EQ(resolver.names(*IpAddress::parse("192.0.2.50")).names, (Texts{"box.lan", "box"}));
    EXPECT_EQ(resolver.listed_addresses("other").status, DnsStatus::no_name);
    EXPECT_EQ(texts(resolver.addresses("localhost").addresses), (Texts{"::1", "127.0.0.1"}));
    EXPECT_EQ(server.questions(), 0);
    expect_found(resolver.addresses("other"), good);
}

TEST(ResolverSettings, NameServersOfTheConfiguration) {
    const auto settings = ResolverSettings::from({"192.0.2.1", "192.0.2.2:5353", "[2001:db8::1]:53"});
    ASSERT_EQ(settings.servers.size(), 3U);
    EXPECT_EQ(settings.servers[0].to_string(), "192.0.2.1:53");
    EXPECT_EQ(settings.servers[1].to_string(), "192.0.2.2:5353");
    EXPECT_EQ(settings.servers[2].to_string(), "[2001:db8::1]:53");
    EXPECT_THROW((void)ResolverSettings::from({"ns.example"}), FormatError);
}

TEST(ResolverSettings, ResolvConf) {
    const TemporaryFile file(
        "# nameserver 192.0.2.9\nsearch example\nnameserver\t192.0.2.1 \nnameserver fe80::1%eth0\n"
        "nameserver 2001:db8::1\noptions rotate timeout:3 attempts:99\nnameserver");
    const auto settings = ResolverSettings::from({}, file.path());
    ASSERT_EQ(settings.servers.size(), 2U);
    EXPECT_EQ(settings.servers[0].to_string(), "192.0.2.1:53");
    EXPECT_EQ(settings.servers[1].to_string(), "[2001:db8::1]:53");
    EXPECT_EQ(settings.timeout, Milliseconds(3000));
    EXPECT_EQ(settings.attempts, 5);
    const auto none = ResolverSettings::from({}, file.path() + ".missing");
    ASSERT_EQ(none.servers.size(), 1U);
    EXPECT_EQ(none.servers[0].to_string(), "127.0.0.1:53");
}

}  // namespace
}  // namespace postoffice
