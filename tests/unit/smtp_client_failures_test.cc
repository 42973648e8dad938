// Refusals, closed connections and wrong replies in the middle of a transaction.
#include <gtest/gtest.h>

#include <mutex>

#include "../support/body_model.h"
#include "smtp_client_dialogue.h"

namespace postoffice {
namespace {

using namespace testing_smtp_client;

TEST(SmtpClient, GoAheadWithoutRecipientsIsMetWithALoneDot) {
    FakeServer server({[](FakePeer& p) {
        p.greet(pipelining);
        for (int i = 0; i < 3; ++i) (void)p.line();
        p.say("250 ok\r\n550 5.1.1 no\r\n354 go\r\n");
        EXPECT_EQ(p.answer("554 5.5.1 no valid recipients\r\n"), ".");
        EXPECT_EQ(p.line(), "MAIL FROM:<alice@a.test>");  // the dot ended it: no RSET
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send();
    EXPECT_EQ(result.recipients[0].reply.line(), "550 5.1.1 no");
    EXPECT_TRUE(result.connection_usable);
    (void)d.send();
}

TEST(SmtpClient, RsetOnlyAfterATransactionThatDidNotEnd) {
    FakeServer server({[](FakePeer& p) {
        p.greet(pipelining);
        for (int i = 0; i < 3; ++i) (void)p.line();
        p.say("250 ok\r\n450 later\r\n503 no recipients\r\n");
        EXPECT_EQ(p.line(), "RSET");
        for (int i = 0; i < 3; ++i) (void)p.line();
        p.say("250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n");
        p.body();
        p.say("250 taken\r\n");
        EXPECT_EQ(p.line(), "MAIL FROM:<alice@a.test>");
    }});
    Dialogue d(server.endpoint());
    EXPECT_EQ(d.send().recipients[0].reply.code, 450);
    EXPECT_EQ(d.send().recipients[0].outcome, Outcome::delivered);
    (void)d.send();
}

TEST(SmtpClient, MailRefusedIsEverybodysAnswer) {
    for (const std::string_view extensions : {std::string_view(), pipelining}) {
        FakeServer server({[extensions](FakePeer& p) {
            p.greet(extensions);
            p.answer("553 5.1.8 not you\r\n");
            if (!extensions.empty()) {
                for (int i = 0; i < 3; ++i) p.answer("503 no sender\r\n");
            }
            EXPECT_EQ(p.answer("221 bye\r\n"), "QUIT");
        }});
        Dialogue d(server.endpoint());
        const auto result = d.send({bob, carol});
        for (const auto& recipient : result.recipients) {
            EXPECT_EQ(recipient.outcome, Outcome::failed);
            EXPECT_EQ(recipient.reply.line(), "553 5.1.8 not you");
        }
        EXPECT_TRUE(result.connection_usable);
        d.client.quit();
    }
}

TEST(SmtpClient, RefusedDataIsPermanentAndDeferredDataIsNot) {
    for (const int code : {554, 451}) {
        FakeServer server({[code](FakePeer& p) {
            p.greet();
            p.answer("250 ok\r\n");
            p.answer("250 ok\r\n");
            p.answer(std::to_string(code) + " no data\r\n");
            EXPECT_EQ(p.answer("221 bye\r\n"), "QUIT");
        }});
        Dialogue d(server.endpoint());
        const auto result = d.send();
        EXPECT_EQ(result.recipients[0].outcome, code == 554 ? Outcome::failed : Outcome::deferred);
        EXPECT_EQ(result.recipients[0].reply.code, code);
        EXPECT_FALSE(result.other_host_may_help);
        d.client.quit();
    }
}

TEST(SmtpClient, TooManyRecipientsInTheOldWordsIsTemporary) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        p.answer("250 ok\r\n");
        p.answer("250 ok\r\n");
        p.answer("552 too many recipients\r\n");
        p.answer("552 5.2.2 mailbox full\r\n");
        p.answer("354 go\r\n");
        p.body();
        p.say("250 taken\r\n");
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send({bob, carol, dave});
    EXPECT_EQ(result.recipients[0].outcome, Outcome::delivered);
    EXPECT_EQ(result.recipients[1].outcome, Outcome::deferred);
    EXPECT_EQ(result.recipients[2].outcome, Outcome::failed);
    EXPECT_TRUE(result.was_full);
    EXPECT_EQ(d.client.most_recipients(), 1U);
}

TEST(SmtpClient, ClosingDownDefersWhoHasNoAnswer) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        p.answer("250 ok\r\n");
        p.answer("250 ok\r\n");
        p.answer("550 5.1.1 no\r\n");
        p.answer("421 4.3.2 going down\r\n");
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send({bob, carol, dave});
    EXPECT_EQ(result.recipients[0].reply.line(), "421 4.3.2 going down");
    EXPECT_EQ(result.recipients[1].outcome, Outcome::failed);
    EXPECT_EQ(result.recipients[2].outcome, Outcome::deferred);
    EXPECT_FALSE(result.connection_usable);
    EXPECT_TRUE(result.other_host_may_help);
}

TEST(SmtpClient, AfterTheFinalDotNoOtherHostMayBeAsked) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        p.answer("250 ok\r\n");
        p.answer("250 ok\r\n");
        p.answer("354 go\r\n");
        p.body();
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send();
    EXPECT_EQ(result.recipients[0].outcome, Outcome::deferred);
    EXPECT_EQ(result.recipients[0].reply.status, "4.4.2");
    EXPECT_FALSE(result.connection_usable);
    EXPECT_FALSE(result.other_host_may_help);
}

TEST(SmtpClient, AnAnswerToNothingEndsTheConversation) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        p.answer("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n");
        p.wait_for_close();
    }});
    Dialogue d(server.endpoint());
    const auto result = d.send();
    EXPECT_EQ(result.recipients[0].outcome, Outcome::deferred);
    EXPECT_FALSE(result.connection_usable);
    EXPECT_FALSE(d.said("127.0.0.1 >> RCPT TO:<bob@b.test>"));
}

TEST(SmtpClient, GoAheadInTheWrongPlaceIsNoAnswer) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        p.answer("354 go\r\n");
        p.wait_for_close();
    }});
    Dialogue d(server.endpoint());
    EXPECT_EQ(d.send().recipients[0].outcome, Outcome::deferred);
}

TEST(SmtpClient, TwoHundredAfterDataIsNotDelivered) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        p.answer("250 ok\r\n");
        p.answer("250 ok\r\n");
        p.answer("250 ok\r\n");
        p.wait_for_close();
    }});
    Dialogue d(server.endpoint());
    EXPECT_EQ(d.send().recipients[0].outcome, Outcome::deferred);
}

TEST(SmtpClient, TheCeilingEndsATarpit) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        p.answer("250 ok\r\n");
        p.wait_for_close();
    }});
    ClientTimeouts timeouts = patient();
    timeouts.message = Seconds(1);
    Dialogue d(server.endpoint(), timeouts);
    const auto result = d.send();
    EXPECT_EQ(result.recipients[0].outcome, Outcome::deferred);
    EXPECT_EQ(result.recipients[0].reply.status, "4.4.2");
    EXPECT_FALSE(result.connection_usable);
}

TEST(SmtpClient, AServerThatStopsReadingEnds) {
    FakeServer server({[](FakePeer& p) {
        p.greet();
        p.answer("250 ok\r\n");
        p.answer("250 ok\r\n");
        p.answer("354 go\r\n");
        std::this_thread::sleep_for(Seconds(2));
    }});
    ClientTimeouts timeouts = patient();
    timeouts.data_block = Seconds(1);
    Dialogue d(server.endpoint(), timeouts);
    const auto result = d.send({bob}, Body::seven_bit, std::string(20 << 20, 'x'));
    EXPECT_EQ(result.recipients[0].outcome, Outcome::deferred);
    EXPECT_TRUE(result.other_host_may_help);
}

TEST(SmtpClient, AMessageThatCannotBeReadIsNeverEnded) {
    std::string wire;
    FakeServer server({[&wire](FakePeer& p) {
        p.greet();
        p.answer("250 ok\r\n");
        p.answer("250 ok\r\n");
        p.answer("354 go\r\n");
        wire = p.body();
    }});
    Dialogue d(server.endpoint());
    const Pipe no_file = make_pipe();  // cannot be read at an offset
    const auto result = d.client.send({alice, {bob}}, no_file.read_end.get(), 10);
    EXPECT_EQ(result.recipients[0].outcome, Outcome::deferred);
    EXPECT_EQ(result.recipients[0].reply.status, "4.3.0");
    EXPECT_FALSE(result.connection_usable);
    EXPECT_FALSE(test::receive(wire).ended);
}

TEST(SmtpClient, AliveUntilTheServerSpeaksOrLeaves) {
    std::mutex gate;
    gate.lock();
    FakeServer server({[&gate](FakePeer& p) {
        p.greet();
        const std::scoped_lock wait(gate);
        p.say("421 4.4.2 idle for too long\r\n");
        p.wait_for_close();
    }});
    Dialogue d(server.endpoint());
    EXPECT_TRUE(d.client.is_alive());
    gate.unlock();
    while (d.client.is_alive()) std::this_thread::sleep_for(Milliseconds(5));
    const auto result = d.send();
    EXPECT_EQ(result.recipients[0].outcome, Outcome::deferred);
    EXPECT_TRUE(result.other_host_may_help);
    EXPECT_FALSE(d.client.is_alive());
}

}  // namespace
}  // namespace postoffice
