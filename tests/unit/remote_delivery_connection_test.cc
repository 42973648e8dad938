// The kept connection, and messages with many recipients.
#include <gtest/gtest.h>

#include "../support/smtp_sink.h"
#include "remote_delivery_fixture.h"

namespace postoffice {
namespace {

using namespace testing_remote_delivery;
using test::SmtpSink;

TEST_F(RemoteDeliveryTest, TheConnectionIsKeptAndDnsLeftAlone) {
    serve({{taker(3)}});
    RemoteDelivery delivery = to("b.test");
    expect(send(delivery), Verdict::delivered, "2.0.0");
    const int questions = dns_.questions();
    expect(send(delivery), Verdict::delivered, "2.0.0");
    expect(send(delivery), Verdict::delivered, "2.0.0");
    EXPECT_EQ(servers_[0]->connections(), 1);
    EXPECT_EQ(dns_.questions(), questions);
}

TEST_F(RemoteDeliveryTest, AKeptConnectionThatEndedIsReplaced) {
    const auto closes_after_one = [](FakePeer& p) {
        p.greet();
        p.answer("250 ok\r\n");
        p.answer("250 ok\r\n");
        p.answer("354 go\r\n");
        p.body();
        p.say("250 taken\r\n");
    };
    const auto closes_at_the_second = [closes_after_one](FakePeer& p) {
        closes_after_one(p);
        p.answer("421 4.7.0 enough\r\n");
    };
    serve({{closes_after_one, closes_at_the_second, taker()}});
    RemoteDelivery delivery = to("b.test");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(send(delivery).results[0].outcome, Verdict::delivered);
    EXPECT_EQ(servers_[0]->connections(), 3);
}

TEST_F(RemoteDeliveryTest, CloseSaysQuit) {
    std::string last;
    serve({{[&last](FakePeer& p) {
        p.greet();
        for (int i = 0; i < 3; ++i) p.answer(i == 2 ? "550 no\r\n" : "250 ok\r\n");
        last = p.answer("221 bye\r\n");
    }}});
    RemoteDelivery delivery = to("b.test");
    (void)send(delivery);
    delivery.close();
    delivery.close();
    servers_.clear();
    EXPECT_EQ(last, "QUIT");
}

TEST_F(RemoteDeliveryTest, AnotherNextHopGetsItsOwnConnectionAndName) {
    std::vector<std::string> names;
    const auto takes_one = [&names](std::string& last) {
        return [&names, &last](FakePeer& p) {
            p.say("220 ready\r\n");
            names.push_back(p.answer("250 ok\r\n"));
            p.answer("250 ok\r\n");
            p.answer("250 ok\r\n");
            p.answer("354 go\r\n");
            p.body();
            p.say("250 2.0.0 taken\r\n");
            last = p.line();
        };
    };
    std::string first_end, second_end;
    serve({{takes_one(first_end)}, {takes_one(second_end)}});
    config_.remote.transports = {{.name = "bulk", .helo_name = "bulk.test"}};
    {
        RemoteDelivery delivery = to("b.test");
        EXPECT_EQ(send(delivery).results[0].by, "mx1.b.test [127.0.0.2]");
        delivery.turn_to({NextHop::MailHosts{"mx2.b.test"}, "bulk"});
        EXPECT_EQ(send(delivery).results[0].by, "mx2.b.test [127.0.0.3]");
        delivery.close();
    }
    servers_.clear();
    EXPECT_EQ(names, (std::vector<std::string>{"EHLO me.test", "EHLO bulk.test"}));
    EXPECT_EQ(first_end, "QUIT");
    EXPECT_EQ(second_end, "QUIT");
}

TEST_F(RemoteDeliveryTest, ManyRecipientsAreSplitAndKeepTheirOrder) {
    std::vector<std::size_t> sizes;
    serve({{[&sizes](FakePeer& p) {
        p.greet();
        for (std::string line = p.line(); line != "(closed)"; line = p.line()) {
            if (line.starts_with("MAIL")) sizes.push_back(0);
            if (line.starts_with("RCPT")) ++sizes.back();
            if (line.find("number7") != std::string::npos) {
                p.say("550 5.1.1 " + line + "\r\n");
            } else if (line == "DATA") {
                p.say("354 go\r\n");
                p.body();
                p.say("250 taken\r\n");
            } else {
                p.say("250 ok\r\n");
            }
        }
    }}});
    std::vector<Address> recipients;
    for (int i = 0; i < 250; ++i) recipients.emplace_back("number" + std::to_string(i), "b.test");
    const auto outcome = send_to("b.test", recipients);
    servers_.clear();
    EXPECT_EQ(sizes, (std::vector<std::size_t>{100, 100, 50}));
    ASSERT_EQ(outcome.results.size(), recipients.size());
    for (std::size_t i = 0; i < recipients.size(); ++i) {
        const bool refused = recipients[i].local_part().starts_with("number7");
        EXPECT_EQ(outcome.results[i].outcome, refused ? Verdict::failed : Verdict::delivered);
        const std::string path = "<" + recipients[i].to_string() + ">";
        EXPECT_EQ(outcome.results[i].reply.text.find(path) != std::string::npos, refused);
    }
}

TEST_F(RemoteDeliveryTest, ManyRecipientsOfADestinationThatIsDownAreAllDeferred) {
    nobody_listens();
    const auto outcome = send_to("b.test", std::vector<Address>(250, bob));
    EXPECT_EQ(outcome.results.size(), 250U);
    expect(outcome, Verdict::deferred, "4.4.1");
}

TEST_F(RemoteDeliveryTest, ThousandsOfMessagesToARealServer) {
    if (!SmtpSink::is_available()) GTEST_SKIP() << "no smtp-sink: run tests/support/get-peers.sh";
    const SmtpSink sink({}, "127.0.0.2");
    config_.remote.port = sink.endpoint().port;
    RemoteDelivery delivery = to("b.test");
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(send(delivery).results[0].outcome, Verdict::delivered);
    delivery.close();
}

}  // namespace
}  // namespace postoffice
