// The resolver and what name servers must not do: lies, silence, failures, loops.
#include <gtest/gtest.h>

#include <mutex>
#include <set>

#include "dns_servers.h"
#include "postoffice/net/mx.h"
#include "postoffice/net/resolver.h"

namespace postoffice {
namespace {

constexpr std::string_view forged = "192.0.2.66";

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

TEST(BadDnsServer, TruncatedAnswersAreAskedAgainByTcp) {
    FakeDns server([](const FakeQuery& query) -> std::vector<FakeAnswer> {
        if (query.by_tcp) return proper_answer(query);
        return {{wire_response(query, response_flags | truncated_flag, {a_record("a.test", forged)})}};
    });
    expect_found(Resolver(test_settings({server.endpoint()})).addresses("a.test"), good);
    EXPECT_EQ(server.questions(), 4);
}

TEST(BadDnsServer, TcpAnswersThatLieAreNotBelieved) {
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
    BadDnsServer, ForgedAnswer,
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

TEST(BadDnsServer, SilentServerGivesWayToTheNext) {
    FakeDns silent([](const FakeQuery&) { return std::vector<FakeAnswer>{}; });
    FakeDns second(proper_answer);
    const auto resolver = quick({silent.endpoint(), second.endpoint()}, 1, Milliseconds(1000));
    EXPECT_EQ(resolver.mx("a.test").status, DnsStatus::no_data);
    EXPECT_EQ(silent.questions(), 1);
    EXPECT_EQ(second.questions(), 1);
}

TEST(BadDnsServer, ClosedPortGivesWayToTheNext) {
    Endpoint closed;
    {
        FakeDns gone(proper_answer);
        closed = gone.endpoint();
    }
    FakeDns second(proper_answer);
    expect_found(Resolver(test_settings({closed, second.endpoint()})).addresses("a.test"), good);
}

TEST(BadDnsServer, FailingServerGivesWayToTheNext) {
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

TEST(BadDnsServer, FailureWithABareHeaderIsHeardAtOnce) {
    FakeDns failing([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{{wire_u16(query.id) + wire_u16(0x8182) + std::string(8, '\0')}};
    });
    const auto lookup = Resolver(test_settings({failing.endpoint()})).addresses("a.test");
    EXPECT_EQ(lookup.status, DnsStatus::temporary);
    EXPECT_NE(lookup.why.find("SERVFAIL"), std::string::npos) << lookup.why;
}

TEST(BadDnsServer, ShortestNegativeAnswerCounts) {
    FakeDns server([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{{wire_response(query, response_flags | 3, {})}};
    });
    EXPECT_EQ(Resolver(test_settings({server.endpoint()})).addresses("a").status, DnsStatus::no_name);
    EXPECT_EQ(server.questions(), 1) << "a name that does not exist needs no second question";
}

TEST(BadDnsServer, OneAnswerIsAskedForOnce) {
    FakeDns server(proper_answer);
    FakeDns spare(proper_answer);
    const Resolver resolver(test_settings({server.endpoint(), spare.endpoint()}));
    EXPECT_EQ(resolver.mx("a.test").status, DnsStatus::no_data);
    EXPECT_EQ(server.questions(), 1);
    EXPECT_EQ(resolver.addresses("a.test").status, DnsStatus::found);
    EXPECT_EQ(server.questions(), 3);
    EXPECT_EQ(spare.questions(), 0);
}

TEST(BadDnsServer, EndOfACnameWithoutDataIsNotAskedForAgain) {
    FakeDns server([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{
            {wire_response(query, response_flags, {cname_record("a.test", "b.test")},
                           {wire_record("test", DnsType::soa, "x")})}};
    });
    EXPECT_EQ(Resolver(test_settings({server.endpoint()})).mx("a.test").status, DnsStatus::no_data);
    EXPECT_EQ(server.questions(), 1);
}

TEST(BadDnsServer, ReferralIsNotAnAnswer) {
    FakeDns server([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{
            {wire_response(query, 0x8000, {}, {wire_record("test", DnsType::ns, wire_name("ns.test"))})}};
    });
    EXPECT_EQ(quick({server.endpoint()}).addresses("a.test").status, DnsStatus::temporary);
}

TEST(BadDnsServer, EdnsIsTakenBackForAnOldServer) {
    for (const unsigned code : {1U, 4U}) {
        FakeDns old([code](const FakeQuery& query) -> std::vector<FakeAnswer> {
            if (query.has_edns)
                return {{wire_u16(query.id) + wire_u16(0x8180 | code) + std::string(8, '\0')}};
            return proper_answer(query);
        });
        expect_found(Resolver(test_settings({old.endpoint()})).addresses("a.test"), good);
    }
}

TEST(BadDnsServer, ServerThatDropsEdnsIsReachedInTheSecondRound) {
    FakeDns old([](const FakeQuery& query) {
        return query.has_edns ? std::vector<FakeAnswer>{} : proper_answer(query);
    });
    const auto resolver = quick({old.endpoint()}, 2, Milliseconds(1000));
    EXPECT_EQ(resolver.mx("a.test").status, DnsStatus::no_data);
}

TEST(BadDnsServer, IdsAndPortsAreNotPredictable) {
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

TEST(BadDnsServer, TenCnamesAreFollowedAndNoMore) {
    for (const bool at_once : {false, true}) {
        FakeDns ten(chain_of(10, at_once));
        expect_found(Resolver(test_settings({ten.endpoint()})).addresses("c0"), good);
        FakeDns eleven(chain_of(11, at_once));
        const auto lookup = Resolver(test_settings({eleven.endpoint()})).addresses("c0");
        EXPECT_EQ(lookup.status, DnsStatus::temporary);
        EXPECT_NE(lookup.why.find("CNAME"), std::string::npos) << lookup.why;
    }
}

TEST(BadDnsServer, CnameLoopsEnd) {
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

TEST(BadDnsServer, CnameToWhatIsNoNameIsPermanent) {
    FakeDns server([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{{wire_response(query, response_flags, {cname_record("a.test", "")})}};
    });
    EXPECT_EQ(Resolver(test_settings({server.endpoint()})).addresses("a.test").status, DnsStatus::no_name);
}

TEST(BadDnsServer, RecordsOfOtherNamesAreNotTaken) {
    FakeDns server([](const FakeQuery& query) {
        return std::vector<FakeAnswer>{{wire_response(query, response_flags, {a_record("b.test", forged)})}};
    });
    EXPECT_EQ(Resolver(test_settings({server.endpoint()})).addresses("a.test").status, DnsStatus::no_data);
}

TEST(BadDnsServer, LostAaaaDoesNotLoseTheA) {
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

/// Twenty mail hosts of a liar's domain, each behind a chain of aliases that has no end.
std::vector<FakeAnswer> endless_zone(const FakeQuery& query) {
    const std::string& name = query.question.name;
    if (query.question.type != DnsType::mx)
        return {{wire_response(query, response_flags, {cname_record(name, "x" + name)})}};
    std::vector<std::string> records;
    for (int i = 0; i < 20; ++i)
        records.push_back(
            wire_record(name, DnsType::mx, wire_u16(10) + wire_name("h" + std::to_string(i) + ".a.test")));
    return {{wire_response(query, response_flags, records)}};
}

TEST(BadDnsServer, ADomainWithoutEndIsAskedForALimitedNumberOfTimes) {
    FakeDns server(endless_zone);
    const Resolver resolver(test_settings({server.endpoint()}));
    const auto far = Deadline::after(Seconds(600));
    const MxList list = find_mail_hosts(resolver.until(far, 30), "a.test", "me.test", {});
    EXPECT_EQ(list.status, MxList::Status::temporary);
    EXPECT_NE(list.why.find("too many questions"), std::string::npos) << list.why;
    EXPECT_EQ(server.questions(), 30);
}

TEST(BadDnsServer, WhoHasNoTimeLeftAsksNobody) {
    FakeDns server(endless_zone);
    const Resolver resolver(test_settings({server.endpoint()}));
    const MxList list =
        find_mail_hosts(resolver.until(Deadline::after(Milliseconds(0))), "a.test", "me.test", {});
    EXPECT_EQ(list.status, MxList::Status::temporary);
    EXPECT_EQ(server.questions(), 0);
}

TEST(BadDnsServer, HostsThatNoAttemptComesToAreNotLookedUp) {
    FakeDns server([](const FakeQuery& query) -> std::vector<FakeAnswer> {
        const std::string& name = query.question.name;
        if (query.question.type == DnsType::a) return {{answer_with(query, good)}};
        std::vector<std::string> records;
        for (unsigned i = 0; i < 20 && query.question.type == DnsType::mx; ++i)
            records.push_back(
                wire_record(name, DnsType::mx, wire_u16(i) + wire_name("h" + std::to_string(i) + ".a.test")));
        return {{wire_response(query, response_flags, records)}};
    });
    const Resolver resolver(test_settings({server.endpoint()}));
    const MxList list = find_mail_hosts(resolver, "a.test", "me.test", {});
    ASSERT_EQ(list.hosts.size(), enough_addresses);
    EXPECT_EQ(list.hosts.front().name, "h0.a.test");
    EXPECT_EQ(server.questions(), 1 + 2 * static_cast<int>(enough_addresses));
}

}  // namespace
}  // namespace postoffice
