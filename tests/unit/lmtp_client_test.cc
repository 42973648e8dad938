// Our side of LMTP (RFC 2033): each recipient has a reply of its own.
#include <gtest/gtest.h>

#include "smtp_client_dialogue.h"

namespace postoffice {
namespace {

using namespace testing_smtp_client;

void greet_in_lmtp(FakePeer& p) {
    p.say("220 store\r\n");
    EXPECT_EQ(p.answer("250-store\r\n250 PIPELINING\r\n"), "LHLO me.test");
}

TEST(Lmtp, EachAcceptedRecipientHasItsOwnAnswer) {
    FakeServer server({[](FakePeer& p) {
        greet_in_lmtp(p);
        for (int i = 0; i < 5; ++i) (void)p.line();
        p.say("250 ok\r\n250 ok\r\n550 5.1.1 no such user\r\n250 ok\r\n354 go\r\n");
        EXPECT_EQ(p.body(), "Subject: hello\r\n\r\nworld\r\n.\r\n");
        p.say("250 2.1.5 saved\r\n452 4.2.2 full\r\n");
        EXPECT_EQ(p.line(), "MAIL FROM:<alice@a.test>");  // nothing is left to reset
    }});
    Dialogue d(server.endpoint(), patient(), true);
    const auto result = d.send({bob, carol, dave});
    EXPECT_EQ(result.recipients[0].outcome, Outcome::delivered);
    EXPECT_EQ(result.recipients[1].outcome, Outcome::failed);
    EXPECT_EQ(result.recipients[2].outcome, Outcome::deferred);
    EXPECT_EQ(result.recipients[2].reply.line(), "452 4.2.2 full");
    EXPECT_TRUE(result.connection_usable);
    (void)d.send();
}

TEST(Lmtp, WhoHasNoAnswerYetWhenItLeavesIsDeferred) {
    FakeServer server({[](FakePeer& p) {
        greet_in_lmtp(p);
        for (int i = 0; i < 4; ++i) (void)p.line();
        p.say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
        (void)p.body();
        p.say("250 2.1.5 saved\r\n");
    }});
    Dialogue d(server.endpoint(), patient(), true);
    const auto result = d.send({bob, carol});
    EXPECT_EQ(result.recipients[0].outcome, Outcome::delivered);
    EXPECT_EQ(result.recipients[1].outcome, Outcome::deferred);
    EXPECT_FALSE(result.connection_usable);
    EXPECT_FALSE(result.other_host_may_help);  // the server may have accepted it for this recipient
}

TEST(Lmtp, AServerThatOnlySpeaksSmtpIsNotTalkedTo) {
    FakeServer server({[](FakePeer& p) {
        p.say("220 mx\r\n");
        EXPECT_EQ(p.answer("500 5.5.1 what?\r\n"), "LHLO me.test");
        EXPECT_EQ(p.line(), "QUIT");
    }});
    const Dialogue d(server.endpoint(), patient(), true);
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->outcome, Outcome::failed);
    EXPECT_FALSE(d.said("127.0.0.1 >> HELO me.test"));
}

TEST(Lmtp, HangingUpOnTheGreetingIsNoReasonToTryAnotherOne) {
    FakeServer server({[](FakePeer& p) {
        p.say("220 store\r\n");
        (void)p.line();
    }});
    const Dialogue d(server.endpoint(), patient(), true);
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->reply.status, "4.4.2");
    EXPECT_EQ(server.connections(), 1);
}

TEST(Lmtp, GoAheadWithoutRecipientsEndsTheConversation) {
    FakeServer server({[](FakePeer& p) {
        greet_in_lmtp(p);
        for (int i = 0; i < 3; ++i) (void)p.line();
        p.say("250 ok\r\n550 5.1.1 no\r\n354 go\r\n");
        EXPECT_EQ(p.line(), "(closed)");
    }});
    Dialogue d(server.endpoint(), patient(), true);
    const auto result = d.send();
    EXPECT_EQ(result.recipients[0].reply.line(), "550 5.1.1 no");
    EXPECT_FALSE(result.connection_usable);
}

}  // namespace
}  // namespace postoffice
