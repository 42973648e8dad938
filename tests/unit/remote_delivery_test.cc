// Which mail host gets a message, and what DNS and the relay host decide.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "remote_delivery_fixture.h"

namespace postoffice {
namespace {

using namespace testing_remote_delivery;

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

TEST_F(RemoteDeliveryTest, WhatRefusesThisHostRefusesNoMail) {
    serve({{greeting("554 5.7.1 no one\r\n")}, {greeting("554 no two\r\n")}, {greeting("554 no three\r\n")}});
    const auto outcome = send_to("b.test");
    expect(outcome, Verdict::deferred, "4.3.2");
    EXPECT_EQ(outcome.results[0].reply.text, "the mail host refuses this host: 554 5.7.1 no one");
    EXPECT_EQ(outcome.results[0].by, "mx1.b.test [127.0.0.2]");
    EXPECT_TRUE(outcome.destination_is_down);
}

TEST_F(RemoteDeliveryTest, HostsThatTakeNoMailAtAll) {
    serve({{greeting("521 5.3.2 no mail\r\n")}, {greeting("521 none\r\n")}, {greeting("521 none\r\n")}});
    const auto outcome = send_to("b.test");
    expect(outcome, Verdict::failed, "5.3.2");
    EXPECT_FALSE(outcome.destination_is_down);
}

TEST_F(RemoteDeliveryTest, OneThatMayComeBackKeepsTheMessage) {
    serve({{greeting("521 no one\r\n")}, nobody(), {greeting("521 no three\r\n")}});
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
    config_.routing.relay_domains = {"own.test"};
    expect(send_to("own.test"), Verdict::deferred, "4.3.5");
    config_.remote.relay_hosts = {*parse_relay_host("own.b.test")};
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
        config_.remote.relay_hosts = {*parse_relay_host(text)};
        expect(send_to(""), Verdict::delivered, "2.0.0");
    }
    config_.remote.relay_hosts = {*parse_relay_host("relay.test")};
    config_.remote.port = relay.endpoint().port;
    const auto outcome = send_to("");
    EXPECT_EQ(outcome.results[0].by, "relay.test [127.0.0.3]");
}

TEST_F(RemoteDeliveryTest, ABadRelayHostIsNeverTheSendersFault) {
    expect(send_to(""), Verdict::deferred, "4.3.5");
    config_.remote.relay_hosts = {*parse_relay_host("nowhere.test")};
    expect(send_to(""), Verdict::deferred, "4.4.3");
}

}  // namespace
}  // namespace postoffice
