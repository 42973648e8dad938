// Transactions: a message arrives unchanged, with the extensions that the server offers.
#include <gtest/gtest.h>

#include "../support/body_model.h"
#include "smtp_client_dialogue.h"

namespace postoffice {
namespace {

using namespace testing_smtp_client;
using namespace std::string_view_literals;

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

OutgoingEnvelope due_in(Seconds left, bool is_traced = false) {
    OutgoingEnvelope envelope{{alice, {bob}}};
    envelope.parameters.scheduling.deliver_by = DeliverBy{now_unix() + left.count(), true, is_traced};
    return envelope;
}

// RFC 2852 section 4: what must be returned at a time goes only where that is understood.
TEST(SmtpClient, ATimeLimitGoesWhereItIsUnderstood) {
    FakeServer server({[](FakePeer& p) {
        p.greet("250-DSN\r\n250-DELIVERBY\r\n");
        EXPECT_TRUE(p.answer("250 ok\r\n").starts_with("MAIL FROM:<alice@a.test> BY="));
        p.answer("250 ok\r\n");
        p.answer("354 go\r\n");
        p.body();
        p.say("250 mine\r\n");
    }});
    Dialogue d(server.endpoint());
    const Fd file = disk::memory_file(small_message);
    EXPECT_EQ(d.client.send(due_in(Seconds(-1)), file.get(), 20).recipients[0].reply.status, "5.4.7");
    const auto traced = d.client.send(due_in(Seconds(1000), true), file.get(), 20);
    EXPECT_EQ(traced.recipients[0].outcome, Outcome::delivered);
    EXPECT_FALSE(traced.recipients[0].notice_passed_on);

    FakeServer other({[](FakePeer& p) {
        p.greet("250-DSN\r\n");
        p.wait_for_close();
    }});
    Dialogue with_other(other.endpoint());
    EXPECT_EQ(with_other.client.send(due_in(Seconds(1000)), file.get(), 20).recipients[0].reply.status,
              "5.3.3");
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
