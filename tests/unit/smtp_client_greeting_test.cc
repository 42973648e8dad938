// The beginning of a dialogue: greeting, EHLO and HELO, and hosts that do not answer.
#include <gtest/gtest.h>

#include "smtp_client_dialogue.h"

namespace postoffice {
namespace {

using namespace std::string_view_literals;
using namespace testing_smtp_client;

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

}  // namespace
}  // namespace postoffice
