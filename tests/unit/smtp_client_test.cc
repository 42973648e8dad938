// Transactions: a message arrives unchanged, with the extensions that the server offers.
#include <gtest/gtest.h>

#include "../support/body_model.h"
#include "smtp_client_dialogue.h"

namespace postoffice {
namespace {

using namespace testing_smtp_client;
using namespace std::string_view_literals;
using test::FakePeer;
using test::FakeServer;
using test::SmtpSink;
using Outcome = DeliveryResult::Outcome;

const Address alice("alice", "a.test");
const Address bob("bob", "b.test");
const Address carol("carol", "b.test");
const Address dave("dave", "b.test");

constexpr std::string_view pipelining = "250-PIPELINING\r\n";
const std::string small_message = "Subject: hello\n\nworld\n";

ClientTimeouts patient() {
    return {Seconds(20), Seconds(20), Seconds(20), Seconds(20), Seconds(20), Seconds(60)};
}

// A client, and everything that was said.
struct Dialogue {
    explicit Dialogue(const Endpoint& server, const ClientTimeouts& timeouts = patient(), bool lmtp = false)
        : client({"mx.test", server, lmtp}, "me.test", timeouts,
                 [this](const std::string& line) { lines.push_back(line); }) {}

    TransactionResult send(const std::vector<Address>& recipients = {bob}, Body body = Body::seven_bit,
                           const std::string& message = small_message) {
        const Fd file = disk::memory_file(message);
        return client.send({{alice, {recipients.begin(), recipients.end()}, {body}}}, file.get(),
                           message.size());
    }
    bool said(const std::string& line) const {
        return std::find(lines.begin(), lines.end(), line) != lines.end();
    }

    std::vector<std::string> lines;
    SmtpClient client;
};

std::string by_mx_test() {
    return "mx.test [127.0.0.1]";
}

// --- Greeting ---------------------------------------------------------------------------------------------

TEST(SmtpClientGreeting, EhloIsUsedWhereItIsUnderstood) {
    FakeServer server({[](FakePeer& p) { p.greet(); }});
    const Dialogue d(server.endpoint());
    EXPECT_FALSE(d.client.refusal());
    EXPECT_EQ(d.client.peer(), by_mx_test());
    EXPECT_TRUE(d.said("127.0.0.1 >> EHLO me.test"));
    EXPECT_FALSE(d.said("127.0.0.1 >> HELO me.test"));
}

TEST(SmtpClientGreeting, HeloIsTheFallback) {
    FakeServer server({[](FakePeer& p) {
        p.say("220-many\r\n220 lines\r\n");
        p.answer("500 5.5.1 what\r\n");
        EXPECT_EQ(p.answer("250 fine\r\n"), "HELO me.test");
    }});
    EXPECT_FALSE(Dialogue(server.endpoint()).client.refusal());
}

TEST(SmtpClientGreeting, HangingUpOnEhloIsAnsweredWithHelo) {
    FakeServer server({[](FakePeer& p) {
                           p.say("220 old\r\n");
                           EXPECT_EQ(p.line(), "EHLO me.test");
                       },
                       [](FakePeer& p) {
                           p.say("220 old\r\n");
                           EXPECT_EQ(p.answer("250 fine\r\n"), "HELO me.test");
                       }});
    EXPECT_FALSE(Dialogue(server.endpoint()).client.refusal());
    EXPECT_EQ(server.connections(), 2);
}

TEST(SmtpClientGreeting, TemporaryRefusal) {
    FakeServer server({[](FakePeer& p) {
        p.say("450 4.7.0 later\r\n");
        EXPECT_EQ(p.line(), "(closed)");  // nothing is said to a server that is leaving
    }});
    const Dialogue d(server.endpoint());
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->outcome, Outcome::deferred);
    EXPECT_EQ(d.client.refusal()->reply.line(), "450 4.7.0 later");
    EXPECT_EQ(d.client.refusal()->by, by_mx_test());
}

TEST(SmtpClientGreeting, PermanentRefusalIsFollowedByQuit) {
    FakeServer server({[](FakePeer& p) {
        p.say("554 go away\r\n");
        EXPECT_EQ(p.answer("221 bye\r\n"), "QUIT");
    }});
    const Dialogue d(server.endpoint());
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->outcome, Outcome::failed);
    EXPECT_EQ(d.client.refusal()->reply.line(), "554 5.0.0 go away");
}

TEST(SmtpClientGreeting, ClosedWithoutAWord) {
    FakeServer server({[](FakePeer&) {}});
    const Dialogue d(server.endpoint());
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->outcome, Outcome::deferred);
    EXPECT_EQ(d.client.refusal()->reply.status, "4.4.2");
    EXPECT_EQ(d.client.refusal()->by, "");
}

TEST(SmtpClientGreeting, NobodyListens) {
    Endpoint nobody;
    {
        FakeServer server({});
        nobody = server.endpoint();
    }
    const Dialogue d(nobody);
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->outcome, Outcome::deferred);
    EXPECT_EQ(d.client.refusal()->reply.status, "4.4.1");
}

TEST(SmtpClientGreeting, SilenceEnds) {
    FakeServer server({[](FakePeer& p) { p.wait_for_close(); }});
    ClientTimeouts short_of_it = patient();
    short_of_it.greeting = Seconds(1);
    const Dialogue d(server.endpoint(), short_of_it);
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->reply.status, "4.4.2");
}

TEST(SmtpClientGreeting, DrippingDoesNotProlongTheWait) {
    FakeServer server({[](FakePeer& p) {
        for (;;) {  // until the client has left
            p.say("2");
            std::this_thread::sleep_for(Milliseconds(20));
        }
    }});
    ClientTimeouts short_of_it = patient();
    short_of_it.greeting = Seconds(1);
    const Dialogue d(server.endpoint(), short_of_it);
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->outcome, Outcome::deferred);
    EXPECT_EQ(d.client.refusal()->reply.status, "4.4.2");
}

TEST(SmtpClientGreeting, EndlessGreetingsAreCut) {
    for (const std::string_view flood : {"220-more\r\n"sv, "220 x"sv, "\0\0\0\0"sv}) {
        FakeServer server({[flood](FakePeer& p) {
            for (;;) p.say(flood);
        }});
        const Dialogue d(server.endpoint());
        ASSERT_TRUE(d.client.refusal());
        EXPECT_EQ(d.client.refusal()->outcome, Outcome::deferred);
        EXPECT_EQ(d.client.refusal()->reply.status, "4.4.2");
    }
}

TEST(SmtpClientGreeting, AnotherProtocolIsNoRefusal) {
    FakeServer server({[](FakePeer& p) { p.say("HTTP/1.1 550 x\r\n"); }});
    const Dialogue d(server.endpoint());
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->outcome, Outcome::deferred);
}

// --- Transactions against a script ------------------------------------------------------------------------

TEST(SmtpClient, AMessageArrivesAsItWas) {
    const std::string message("Subject: x\n\n.\n..dot\nlone\rcr\nnul\0\n\xc3\xa4\nend"sv);
    std::string wire;
    FakeServer server({[&](FakePeer& p) {
        p.greet("250-8BITMIME\r\n250-SIZE 1000000\r\n");
        EXPECT_EQ(p.answer("250 2.1.0 ok\r\n"), "MAIL FROM:<alice@a.test> SIZE=39 BODY=8BITMIME");
        EXPECT_EQ(p.answer("250 2.1.5 ok\r\n"), "RCPT TO:<bob@b.test>");
        EXPECT_EQ(p.answer("354 go\r\n"), "DATA");
        wire = p.body();
        p.say("250 2.6.0 mine\r\n");
        EXPECT_EQ(p.answer("221 bye\r\n"), "QUIT");
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send({bob}, Body::eight_bit_mime, message);
    d.client.quit();
    ASSERT_EQ(result.recipients.size(), 1U);
    EXPECT_EQ(result.recipients[0].outcome, Outcome::delivered);
    EXPECT_EQ(result.recipients[0].reply.line(), "250 2.6.0 mine");
    EXPECT_EQ(result.recipients[0].by, by_mx_test());
    EXPECT_TRUE(result.connection_usable);
    EXPECT_EQ(test::receive(wire).stored, test::normalised(message));
}

TEST(SmtpClient, NothingIsAskedThatWasNotOffered) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        EXPECT_EQ(p.answer("250 ok\r\n"), "MAIL FROM:<alice@a.test>");
    }});
    Dialogue d(server.endpoint());
    (void)d.send({bob}, Body::eight_bit_mime);
}

OutgoingEnvelope with_wishes() {
    OutgoingEnvelope envelope{{alice, {}}};
    envelope.parameters.return_part = ReturnPart::headers;
    envelope.parameters.envelope_id = "QQ+2B";
    envelope.recipients.push_back({bob, {*parse_notify("SUCCESS,DELAY"), "rfc822;Bob@b.test"}});
    envelope.recipients.push_back({carol, {{}, "rfc822;" + std::string(600, 'x')}});
    return envelope;
}

TEST(SmtpClient, WhatTheSenderWantsToHearIsPassedOn) {
    FakeServer server({[](FakePeer& p) {
        p.greet("250-DSN\r\n");
        EXPECT_EQ(p.answer("250 ok\r\n"), "MAIL FROM:<alice@a.test> RET=HDRS ENVID=QQ+2B");
        EXPECT_EQ(p.answer("250 ok\r\n"),
                  "RCPT TO:<bob@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@b.test");
        EXPECT_EQ(p.answer("550 no\r\n"), "RCPT TO:<carol@b.test>");
        p.answer("354 go\r\n");
        p.body();
        p.say("250 mine\r\n");
    }});
    Dialogue d(server.endpoint());
    const Fd file = disk::memory_file(small_message);
    const auto result = d.client.send(with_wishes(), file.get(), small_message.size());
    EXPECT_TRUE(result.recipients[0].notice_passed_on);
    EXPECT_FALSE(result.recipients[1].notice_passed_on);
}

TEST(SmtpClient, WithoutDsnTheNoticeIsOurs) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        EXPECT_EQ(p.answer("250 ok\r\n"), "MAIL FROM:<alice@a.test>");
        EXPECT_EQ(p.answer("250 ok\r\n"), "RCPT TO:<bob@b.test>");
        p.answer("250 ok\r\n");
        p.answer("354 go\r\n");
        p.body();
        p.say("250 mine\r\n");
    }});
    Dialogue d(server.endpoint());
    const Fd file = disk::memory_file(small_message);
    const auto result = d.client.send(with_wishes(), file.get(), small_message.size());
    EXPECT_EQ(result.recipients[0].outcome, Outcome::delivered);
    EXPECT_FALSE(result.recipients[0].notice_passed_on);
}

const Address joerg("j\xc3\xb6rg", "b.test");

TEST(SmtpClient, Utf8GoesToWhoTakesIt) {
    FakeServer server({[](FakePeer& p) {
        p.greet("250-8BITMIME\r\n250-SMTPUTF8\r\n");
        EXPECT_EQ(p.answer("250 ok\r\n"), "MAIL FROM:<alice@a.test> SMTPUTF8");
        EXPECT_EQ(p.answer("550 no\r\n"), "RCPT TO:<j\xc3\xb6rg@b.test>");
        EXPECT_EQ(p.answer("250 ok\r\n"), "RSET");
        EXPECT_EQ(p.answer("550 no\r\n"), "MAIL FROM:<alice@a.test>");
    }});
    Dialogue d(server.endpoint());
    EXPECT_EQ(d.send({joerg}).recipients[0].reply.line(), "550 5.0.0 no");
    EXPECT_EQ(d.send({bob}).recipients[0].reply.line(), "550 5.0.0 no");
}

// RFC 6531 section 3.2: who does not take it is not asked; others of the same message are.
TEST(SmtpClient, Utf8DoesNotGoToOthers) {
    FakeServer server({[](FakePeer& p) {
        p.greet("250-8BITMIME\r\n");
        EXPECT_EQ(p.answer("250 ok\r\n"), "MAIL FROM:<alice@a.test>");
        EXPECT_EQ(p.answer("550 no\r\n"), "RCPT TO:<bob@b.test>");
        EXPECT_EQ(p.line(), "(closed)");
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send({joerg, bob});
    EXPECT_EQ(result.recipients[0].outcome, Outcome::failed);
    EXPECT_EQ(result.recipients[0].reply.status, "5.6.7");
    EXPECT_EQ(result.recipients[0].reply.code, 553);
    EXPECT_EQ(result.recipients[1].reply.line(), "550 5.0.0 no");

    OutgoingEnvelope with_header{{alice, {bob}}};
    with_header.parameters.smtputf8 = true;
    const Fd file = disk::memory_file(small_message);
    const auto refused = d.client.send(with_header, file.get(), small_message.size());
    EXPECT_EQ(refused.recipients[0].reply.status, "5.6.7");
    EXPECT_EQ(refused.recipients[0].reply.code, 550);
}

TEST(SmtpClient, LimitsOfTheServer) {
    FakeServer server({[](FakePeer& p) {
        p.greet("250-LIMITS RCPTMAX=5 MAILMAX=1 RCPTDOMAINMAX=1 rcptmax=x FOO\r\n");
        p.answer("550 no\r\n");
        p.wait_for_close();
    }});
    Dialogue d(server.endpoint());
    EXPECT_EQ(d.client.most_recipients(), 5U);
    EXPECT_TRUE(d.client.is_alive());
    (void)d.send({bob});
    EXPECT_FALSE(d.client.is_alive());
}

TEST(SmtpClient, TheNullSender) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        EXPECT_EQ(p.answer("250 ok\r\n"), "MAIL FROM:<>");
    }});
    Dialogue d(server.endpoint());
    const Fd file = disk::memory_file("x\n");
    (void)d.client.send({Address(), {bob}}, file.get(), 2);
}

TEST(SmtpClient, AnAddressCannotBreakItsLine) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        EXPECT_EQ(p.answer("550 no\r\n"), "MAIL FROM:<alice@a.test>");
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send({Address("x>\r\nRSET\r\n", "b.test"), bob});
    EXPECT_EQ(result.recipients[0].reply.status, "5.1.3");
    EXPECT_EQ(result.recipients[1].reply.code, 550);
}

TEST(SmtpClient, TooLargeForTheServerIsNotSent) {
    FakeServer server({[](FakePeer& p) {
        p.greet("250-SIZE 10\r\n");
        EXPECT_EQ(p.line(), "(closed)");
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send();
    EXPECT_EQ(result.recipients[0].outcome, Outcome::failed);
    EXPECT_EQ(result.recipients[0].reply.status, "5.3.4");
    EXPECT_EQ(result.recipients[0].by, "");
    EXPECT_TRUE(result.connection_usable);
}

TEST(SmtpClient, ASizeWithoutLimitIsNone) {
    for (const std::string_view size :
         {"250-SIZE\r\n", "250-SIZE 0\r\n", "250-SIZE 99999999999999999999999\r\n"}) {
        FakeServer server({[size](FakePeer& p) {
            p.greet(size);
            EXPECT_EQ(p.answer("450 x\r\n"), "MAIL FROM:<alice@a.test> SIZE=22");
        }});
        Dialogue d(server.endpoint());
        EXPECT_EQ(d.send().recipients[0].reply.code, 450);
    }
}

TEST(SmtpClient, PipelinedCommandsComeTogether) {
    FakeServer server({[](FakePeer& p) {
        p.greet(pipelining);
        EXPECT_EQ(p.line(), "MAIL FROM:<alice@a.test>");
        EXPECT_EQ(p.line(), "RCPT TO:<bob@b.test>");
        EXPECT_EQ(p.line(), "RCPT TO:<carol@b.test>");
        EXPECT_EQ(p.line(), "RCPT TO:<dave@b.test>");
        EXPECT_EQ(p.line(), "DATA");
        p.say("250 ok\r\n250 ok\r\n550 5.1.1 carol who\r\n452 4.5.3 too many\r\n354 go\r\n");
        p.body();
        p.say("250 2.0.0 taken\r\n");
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send({bob, carol, dave});
    EXPECT_EQ(result.recipients[0].reply.line(), "250 2.0.0 taken");
    EXPECT_EQ(result.recipients[1].outcome, Outcome::failed);
    EXPECT_EQ(result.recipients[1].reply.line(), "550 5.1.1 carol who");
    EXPECT_EQ(result.recipients[2].outcome, Outcome::deferred);
    EXPECT_EQ(result.recipients[2].reply.line(), "452 4.5.3 too many");
    EXPECT_TRUE(result.connection_usable);
    EXPECT_FALSE(result.other_host_may_help);
}

}  // namespace
}  // namespace postoffice
