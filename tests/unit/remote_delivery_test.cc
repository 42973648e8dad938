// Which mail host gets a message, and what DNS and the relay host decide.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "remote_delivery_fixture.h"

namespace postoffice {
namespace {

using test::FakePeer;
using test::FakeServer;
using test::SmtpSink;
using Verdict = DeliveryResult::Outcome;

const Address alice("alice", "a.test");
const Address bob("bob", "b.test");
const Address carol("carol", "b.test");

std::string mx_record(std::string_view owner, unsigned preference, std::string_view host) {
    return wire_record(owner, DnsType::mx, wire_u16(preference) + wire_name(host));
}

// b.test has three mail hosts, at 127.0.0.2, .3 and .4.
std::vector<FakeAnswer> zone(const FakeQuery& query) {
    const std::string& name = query.question.name;
    const auto found = [&](const std::vector<std::string>& records) {
        return std::vector<FakeAnswer>{{wire_response(query, response_flags, records)}};
    };
    constexpr unsigned server_failure = 2;
    constexpr unsigned no_such_name = 3;
    if (name == "broken.test") return {{wire_response(query, response_flags | server_failure, {})}};
    if (query.question.type == DnsType::mx) {
        if (name == "b.test")
            return found({mx_record(name, 30, "mx3.b.test"), mx_record(name, 10, "mx1.b.test"),
                          mx_record(name, 20, "mx2.b.test")});
        if (name == "null.test") return found({mx_record(name, 0, "")});
        if (name == "own.test") return found({mx_record(name, 0, "own.b.test")});
    }
    if (query.question.type == DnsType::a) {
        if (name == "mx1.b.test") return found({a_record(name, "127.0.0.2")});
        if (name == "mx2.b.test") return found({a_record(name, "127.0.0.3")});
        if (name == "mx3.b.test") return found({a_record(name, "127.0.0.4")});
        if (name == "own.b.test") return found({a_record(name, "127.0.0.1")});
        if (name == "relay.test") return found({a_record(name, "127.0.0.3")});
    }
    const bool exists = name.ends_with("b.test") || name == "relay.test";
    return {{wire_response(query, response_flags | (exists ? 0 : no_such_name), {})}};
}

// A server that takes everything, for so many messages over one connection.
FakeServer::Script taker(int messages = 1) {
    return [messages](FakePeer& p) {
        p.greet();
        for (int i = 0; i < messages; ++i) {
            p.answer("250 ok\r\n");
            p.answer("250 ok\r\n");
            p.answer("354 go\r\n");
            p.body();
            p.say("250 2.0.0 taken\r\n");
        }
        p.wait_for_close();
    };
}

FakeServer::Script greeting(std::string text) {
    return [text](FakePeer& p) {
        p.say(text);
        p.answer("221 bye\r\n");
    };
}

class RemoteDeliveryTest : public testing::Test {
  protected:
    RemoteDeliveryTest() : dns_(zone), resolver_(test_settings({dns_.endpoint()})) {
        config_.identity.hostname = "me.test";
        config_.network.listen = {{{}, 1}};
    }

    // Servers at 127.0.0.2 and up, all at the port that the first one gets.
    void serve(const std::vector<std::vector<FakeServer::Script>>& scripts) {
        for (const auto& script : scripts) {
            const std::string address = "127.0.0." + std::to_string(servers_.size() + 2);
            servers_.push_back(std::make_unique<FakeServer>(script, address, config_.remote.port));
            config_.remote.port = servers_.front()->endpoint().port;
        }
    }
    // Host n (from 1) exists, but no server listens there.
    static std::vector<FakeServer::Script> nobody() { return {}; }
    void nobody_listens() {
        serve({nobody()});
        servers_.clear();
    }

    RemoteDelivery to(const std::string& destination) {
        ClientTimeouts timeouts{Seconds(20), Seconds(20), Seconds(20), Seconds(20), Seconds(20), Seconds(60)};
        return RemoteDelivery(config_, resolver_, destination, timeouts);
    }
    static RemoteDelivery::Outcome send(RemoteDelivery& delivery,
                                        const std::vector<Address>& recipients = {bob}) {
        const Fd message = disk::memory_file("Subject: x\n\nhello\n");
        return delivery.deliver({alice, {recipients.begin(), recipients.end()}}, message.get(), 18);
    }
    RemoteDelivery::Outcome send_to(const std::string& destination,
                                    const std::vector<Address>& recipients = {bob}) {
        RemoteDelivery delivery = to(destination);
        return send(delivery, recipients);
    }

    FakeDns dns_;
    Resolver resolver_;
    Config config_ = [] {
        Config config;
        config.remote.port = 0;
        return config;
    }();
    std::vector<std::unique_ptr<FakeServer>> servers_;
};

void expect(const RemoteDelivery::Outcome& outcome, Verdict verdict, const std::string& status) {
    ASSERT_FALSE(outcome.results.empty());
    for (const auto& result : outcome.results) {
        EXPECT_EQ(result.outcome, verdict) << result.reply.line();
        EXPECT_EQ(result.reply.status, status) << result.reply.line();
    }
}

// --- Which host -------------------------------------------------------------------------------------------

TEST_F(RemoteDeliveryTest, TheBestHostGetsIt) {
    serve({{taker()}, {taker()}});
    const auto outcome = send_to("b.test");
    expect(outcome, Verdict::delivered, "2.0.0");
    EXPECT_EQ(outcome.results[0].by, "mx1.b.test [127.0.0.2]");
    EXPECT_FALSE(outcome.destination_is_down);
    EXPECT_EQ(servers_[1]->connections(), 0);
}

TEST_F(RemoteDeliveryTest, TheNextOneIfTheBestCannotBeReached) {
    serve({nobody(), {taker()}});
    servers_.front().reset();
    EXPECT_EQ(send_to("b.test").results[0].by, "mx2.b.test [127.0.0.3]");
}

TEST_F(RemoteDeliveryTest, TheNextOneAfterAnyRefusalInTheGreeting) {
    serve({{greeting("554 no service\r\n")}, {greeting("450 not now\r\n")}, {taker()}});
    const auto outcome = send_to("b.test");
    expect(outcome, Verdict::delivered, "2.0.0");
    EXPECT_EQ(outcome.results[0].by, "mx3.b.test [127.0.0.4]");
}

TEST_F(RemoteDeliveryTest, TheNextOneAfter421OrARefusedSenderForNow) {
    for (const std::string_view reply : {"421 4.3.2 going down\r\n", "452 4.3.1 disk full\r\n"}) {
        servers_.clear();
        serve({{[reply](FakePeer& p) {
                   p.greet();
                   p.answer(reply);
                   p.wait_for_close();
               }},
               {taker()}});
        EXPECT_EQ(send_to("b.test").results[0].by, "mx2.b.test [127.0.0.3]");
    }
}

TEST_F(RemoteDeliveryTest, AllOfThemSayNoForGood) {
    serve({{greeting("554 5.7.1 no one\r\n")}, {greeting("554 no two\r\n")}, {greeting("554 no three\r\n")}});
    const auto outcome = send_to("b.test");
    expect(outcome, Verdict::failed, "5.7.1");
    EXPECT_EQ(outcome.results[0].by, "mx1.b.test [127.0.0.2]");
    EXPECT_FALSE(outcome.destination_is_down);
}

TEST_F(RemoteDeliveryTest, OneThatMayComeBackKeepsTheMessage) {
    serve({{greeting("554 no one\r\n")}, nobody(), {greeting("554 no three\r\n")}});
    servers_[1].reset();
    const auto outcome = send_to("b.test");
    expect(outcome, Verdict::deferred, "4.4.1");
    EXPECT_TRUE(outcome.destination_is_down);
}

TEST_F(RemoteDeliveryTest, NobodyCanBeReached) {
    nobody_listens();
    const auto outcome = send_to("b.test", {bob, carol});
    expect(outcome, Verdict::deferred, "4.4.1");
    EXPECT_TRUE(outcome.destination_is_down);
}

TEST_F(RemoteDeliveryTest, WhoIsDeferredByAServerWaitsAndWhoIsAcceptedGetsOneCopy) {
    serve({{[](FakePeer& p) {
               p.greet();
               p.answer("250 ok\r\n");
               p.answer("250 ok\r\n");
               p.answer("450 4.2.0 greylisted\r\n");
               p.answer("354 go\r\n");
               p.body();
               p.say("250 taken\r\n");
               p.wait_for_close();
           }},
           {taker()}});
    const auto outcome = send_to("b.test", {bob, carol});
    EXPECT_EQ(outcome.results[0].outcome, Verdict::delivered);
    EXPECT_EQ(outcome.results[1].reply.line(), "450 4.2.0 greylisted");
    EXPECT_FALSE(outcome.destination_is_down);
    EXPECT_EQ(servers_[1]->connections(), 0);
}

TEST_F(RemoteDeliveryTest, AfterTheFinalDotNobodyElseGetsACopy) {
    serve({{[](FakePeer& p) {
               p.greet();
               p.answer("250 ok\r\n");
               p.answer("250 ok\r\n");
               p.answer("354 go\r\n");
               p.body();
           }},
           {taker()}});
    expect(send_to("b.test"), Verdict::deferred, "4.4.2");
    EXPECT_EQ(servers_[1]->connections(), 0);
}

TEST_F(RemoteDeliveryTest, ABreakBeforeTheFinalDotLetsTheNextHostTry) {
    serve({{[](FakePeer& p) {
               p.greet();
               p.answer("250 ok\r\n");
               p.answer("550 5.1.1 no bob\r\n");
               p.answer("250 ok\r\n");
               (void)p.line();
           }},
           {taker()}});
    const auto outcome = send_to("b.test", {bob, carol});
    EXPECT_EQ(outcome.results[0].reply.line(), "550 5.1.1 no bob");
    EXPECT_EQ(outcome.results[1].outcome, Verdict::delivered);
    EXPECT_EQ(outcome.results[1].by, "mx2.b.test [127.0.0.3]");
}

TEST_F(RemoteDeliveryTest, DomainsThatTakeNoMail) {
    serve({{taker()}});
    expect(send_to("nowhere.test"), Verdict::failed, "5.1.2");
    expect(send_to("null.test"), Verdict::failed, "5.1.10");
    EXPECT_EQ(send_to("null.test").results[0].reply.code, 556);
}

TEST_F(RemoteDeliveryTest, DnsThatFails) {
    const auto outcome = send_to("broken.test");
    expect(outcome, Verdict::deferred, "4.4.3");
    EXPECT_TRUE(outcome.destination_is_down);
}

TEST_F(RemoteDeliveryTest, OurOwnAddressIsNoRemoteHost) {
    FakeServer ourselves({taker()});
    config_.remote.port = ourselves.endpoint().port;
    config_.network.listen.push_back({{}, config_.remote.port});
    expect(send_to("own.test"), Verdict::failed, "5.4.6");
    expect(send_to("[127.0.0.1]"), Verdict::failed, "5.4.6");
    config_.remote.relay_host = *parse_relay_host("own.b.test");
    expect(send_to(""), Verdict::deferred, "4.3.5");
    EXPECT_EQ(ourselves.connections(), 0);
}

TEST_F(RemoteDeliveryTest, AnotherServerOnOurAddressIsOne) {
    FakeServer another({taker()});
    config_.remote.port = another.endpoint().port;
    expect(send_to("own.test"), Verdict::delivered, "2.0.0");
}

TEST_F(RemoteDeliveryTest, AnAddressLiteralNeedsNoDns) {
    serve({{taker()}});
    const auto outcome = send_to("[127.0.0.2]");
    expect(outcome, Verdict::delivered, "2.0.0");
    EXPECT_EQ(outcome.results[0].by, "[127.0.0.2]");
    EXPECT_EQ(dns_.questions(), 0);
}

TEST_F(RemoteDeliveryTest, TheRelayHostInAllItsSpellings) {
    FakeServer relay({taker(), taker(), taker(), taker(), taker()}, "127.0.0.3");
    const std::string port = std::to_string(relay.endpoint().port);
    config_.remote.port = 1;  // not used when the port is given
    for (const std::string& text :
         {"127.0.0.3:" + port, "[127.0.0.3]:" + port, "relay.test:" + port, "[Relay.Test]:" + port}) {
        config_.remote.relay_host = *parse_relay_host(text);
        expect(send_to(""), Verdict::delivered, "2.0.0");
    }
    config_.remote.relay_host = *parse_relay_host("relay.test");
    config_.remote.port = relay.endpoint().port;
    const auto outcome = send_to("");
    EXPECT_EQ(outcome.results[0].by, "relay.test [127.0.0.3]");
}

TEST_F(RemoteDeliveryTest, ABadRelayHostIsNeverTheSendersFault) {
    expect(send_to(""), Verdict::deferred, "4.3.5");
    config_.remote.relay_host = *parse_relay_host("nowhere.test");
    expect(send_to(""), Verdict::deferred, "4.4.3");
}

}  // namespace
}  // namespace postoffice
