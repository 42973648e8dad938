// The client against Postfix's smtp-sink, which refuses or hangs up at each command.
#include <gtest/gtest.h>

#include "../support/smtp_sink.h"
#include "smtp_client_dialogue.h"

namespace postoffice {
namespace {

using namespace testing_smtp_client;
using test::SmtpSink;

class AgainstSink : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!SmtpSink::is_available()) GTEST_SKIP() << "no smtp-sink: run tests/support/get-peers.sh";
    }
};

TEST_F(AgainstSink, ManyMessagesOverOneConnection) {
    const std::string large = "Subject: large\n\n" + std::string(300'000, 'x') + "\n.\n";
    for (const std::vector<std::string>& options :
         {std::vector<std::string>{}, {"-p"}, {"-e"}, {"-8", "-E"}}) {
        const SmtpSink sink(options);
        Dialogue d(sink.endpoint());
        for (int i = 0; i < 50; ++i) {
            const auto result =
                d.send({bob, carol}, Body::eight_bit_mime, i % 10 == 0 ? large : small_message);
            ASSERT_EQ(result.recipients[0].outcome, Outcome::delivered) << result.recipients[0].reply.line();
            ASSERT_EQ(result.recipients[1].outcome, Outcome::delivered);
            ASSERT_TRUE(d.client.is_alive());
        }
        EXPECT_FALSE(d.said("127.0.0.1 >> RSET"));
        d.client.quit();
        EXPECT_TRUE(d.said("127.0.0.1 >> QUIT"));
    }
}

TEST_F(AgainstSink, EveryCommandRejected) {
    for (const bool hard : {true, false}) {
        for (const std::string command : {"CONNECT", "MAIL", "RCPT", "DATA", "."}) {
            const SmtpSink sink({hard ? "-f" : "-r", command});
            Dialogue d(sink.endpoint());
            const auto result = d.send({bob, carol});
            for (const auto& recipient : result.recipients) {
                EXPECT_EQ(recipient.outcome, hard ? Outcome::failed : Outcome::deferred) << command;
                EXPECT_EQ(recipient.by, by_mx_test());
            }
            EXPECT_EQ(result.connection_usable, command != "CONNECT");
        }
    }
}

TEST_F(AgainstSink, EveryCommandHungUpOn) {
    for (const std::string option : {"-q", "-Q"}) {
        for (const std::string command : {"CONNECT", "MAIL", "RCPT", "DATA", "."}) {
            const SmtpSink sink({option, command});
            Dialogue d(sink.endpoint());
            const auto result = d.send({bob, carol});
            for (const auto& recipient : result.recipients)
                EXPECT_EQ(recipient.outcome, Outcome::deferred) << option << command;
            EXPECT_FALSE(result.connection_usable);
            EXPECT_EQ(result.other_host_may_help, command != ".");
        }
    }
}

TEST_F(AgainstSink, HungUpOnEhloStillGetsTheMessageByHelo) {
    const SmtpSink sink({"-q", "EHLO"});
    Dialogue d(sink.endpoint());
    EXPECT_EQ(d.send().recipients[0].outcome, Outcome::delivered);
    EXPECT_TRUE(d.said("127.0.0.1 >> HELO me.test"));
}

TEST_F(AgainstSink, ARefusalInTheMiddleOfTheMessageIsHeard) {
    const SmtpSink sink({"-A", "0"});
    Dialogue d(sink.endpoint());
    const auto result = d.send({bob}, Body::seven_bit, std::string(40 << 20, 'x'));
    EXPECT_EQ(result.recipients[0].outcome, Outcome::failed);
    EXPECT_EQ(result.recipients[0].reply.code / 100, 5);
    EXPECT_FALSE(result.connection_usable);
}

}  // namespace
}  // namespace postoffice
