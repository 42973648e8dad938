// Messages find their way to queue agents, and results find their way to journals.
#include <gtest/gtest.h>

#include "dispatcher_fixture.h"

namespace postoffice {
namespace {

using namespace testing_dispatcher;

TEST_F(DispatcherTest, MoreDestinationsThanAgentsAreServedOneAfterTheOther) {
    config_.remote.agents = 3;
    std::vector<Recipient> recipients;
    for (int n = 0; n < 20; ++n) recipients.push_back(at("d" + std::to_string(n) + ".test"));
    const std::string id = queue(recipients);
    ASSERT_TRUE(dispatcher_.start(id));
    EXPECT_EQ(started_, 3U);
    EXPECT_EQ(deliver_all().size(), 20U);
    EXPECT_EQ(finished_, std::vector<std::string>{id});
    EXPECT_TRUE(dispatcher_.is_idle());
}

TEST_F(DispatcherTest, OnlyRecipientsAtOtherHostsWaitForAQueueRun) {
    may_leave_ = false;
    const std::string both = queue({at("a.test"), program_of("bob")});
    ASSERT_TRUE(dispatcher_.start(both));
    EXPECT_EQ(deliver_all(), std::vector<std::string>{"local"});
    EXPECT_EQ(gone_, std::vector<std::string>{both}) << "until the spool is looked at";
    EXPECT_EQ(spool_.peek(both)->next_attempt, 0);
    EXPECT_FALSE(dispatcher_.start(queue({at("a.test")})));
    EXPECT_TRUE(dispatcher_.is_idle());
    may_leave_ = true;
    ASSERT_TRUE(dispatcher_.start(both));
    EXPECT_EQ(deliver_all(), std::vector<std::string>{"a.test"});
    EXPECT_EQ(finished_, std::vector<std::string>{both});
}

TEST_F(DispatcherTest, AMessageForADestinationThatIsDownWasNotTried) {
    const std::string first = queue({at("a.test")}), second = queue({at("a.test")});
    ASSERT_TRUE(dispatcher_.start(first));
    ASSERT_TRUE(refuse_one(""));
    ASSERT_TRUE(dispatcher_.start(second));
    EXPECT_EQ(deferred_, (std::vector<std::string>{first, second}));
    EXPECT_EQ(spool_.peek(first)->recipients[0].attempts, 1U);
    EXPECT_EQ(spool_.peek(second)->recipients[0].attempts, 0U);
    EXPECT_EQ(spool_.peek(second)->attempts, 0U);
    EXPECT_EQ(spool_.peek(second)->recipients[0].last.reply.text, "too many connections");
}

TEST_F(DispatcherTest, AMessageIsGivenUpOnlyAfterAnAttemptWhenItsTimeIsOver) {
    config_.queue.qreturn = Seconds(1000);
    config_.remote.usual.destination_agents = 1;
    const std::string old = queue({at("a.test")}, Seconds(1001));
    {
        auto entry = spool_.take(old);
        disk::write_all(entry->fd(), rfc3339_utc(now_unix() - 500) + " deferred 1: 451 4.4.1 down\n");
    }
    ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    ASSERT_TRUE(dispatcher_.start(old));
    dispatcher_.stop();
    EXPECT_EQ(deferred_, std::vector<std::string>{old}) << "the end of the server is no attempt";
    EXPECT_TRUE(reports_.empty());
    EXPECT_EQ(spool_.peek(old)->recipients[0].status, RecipientState::Status::waiting);
}

TEST_F(DispatcherTest, AnAttemptOfAnotherMessageWhenTheTimeIsOverWillDo) {
    config_.queue.qreturn = Seconds(1000);
    const std::string first = queue({at("a.test")}), old = queue({at("a.test")}, Seconds(1001));
    ASSERT_TRUE(dispatcher_.start(first));
    ASSERT_TRUE(refuse_one(""));
    ASSERT_TRUE(dispatcher_.start(old));
    EXPECT_EQ(finished_, std::vector<std::string>{old});
    EXPECT_NE(test::read_file(spool_.folder_of(old) + "/rm" + old).find("too many connections"),
              std::string::npos);
}

TEST_F(DispatcherTest, AnAgentThatIsOneTooManyLeavesItsWorkToTheOthers) {
    config_.remote.usual.destination_agents = 3;
    for (int n = 0; n < 4; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    EXPECT_EQ(started_, 3U);
    ASSERT_TRUE(refuse_one("mx.a.test [192.0.2.1]"));
    ASSERT_TRUE(refuse_one("mx.a.test [192.0.2.1]"));
    EXPECT_TRUE(deferred_.empty());
    EXPECT_EQ(deliver_all().size(), 4U);
    EXPECT_EQ(finished_.size(), 4U);
    for (int n = 0; n < 4; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    EXPECT_EQ(started_, 3U) << "the limit is remembered";
    EXPECT_EQ(deliver_all().size(), 4U);
    ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    ASSERT_TRUE(refuse_one("mx.a.test [192.0.2.1]"));
    EXPECT_EQ(deferred_.size(), 1U) << "no other agent is left that could take it";
}

TEST_F(DispatcherTest, AHostThatDoesNotAnswerIsDownUnlessAnotherAgentHasReachedIt) {
    config_.remote.usual.destination_agents = 2;
    for (int n = 0; n < 2; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    ASSERT_TRUE(refuse_one(""));
    EXPECT_EQ(deferred_.size(), 1U);
}

TEST_F(DispatcherTest, AnUnknownHostGetsFewConnectionsAndMoreAsItTakesMail) {
    config_.remote.usual.destination_agents = 20;
    for (int n = 0; n < 30; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    EXPECT_EQ(started_, DestinationQueue::first_agents);
    deliver_one();
    EXPECT_EQ(started_, DestinationQueue::first_agents + 1);
    EXPECT_EQ(deliver_all().size(), 29U);
    EXPECT_LE(started_, 20U);
}

TEST_F(DispatcherTest, ADestinationWithARateWaitsAndDelaysNoOther) {
    config_.remote.usual.destination_rate = {1, Seconds(3600)};
    std::vector<std::string> ids;
    for (int n = 0; n < 4; ++n) ids.push_back(queue({at("a.test")}));
    for (const std::string& id : ids) ASSERT_TRUE(dispatcher_.start(id));
    ASSERT_TRUE(dispatcher_.start(queue({at("b.test")})));
    EXPECT_EQ(deliver_all(), (std::vector<std::string>{"a.test", "b.test"}));
    dispatcher_.end_idle_agents();
    EXPECT_TRUE(deliver_all().empty());
    EXPECT_EQ(finished_.size(), 2U);
    dispatcher_.stop();
    EXPECT_EQ(spool_.peek(ids.back())->attempts, 0U) << "to wait is no attempt";
}

TEST_F(DispatcherTest, AnAgentThatDiesMakesRoomForAnotherDestination) {
    config_.remote.agents = 1;
    ASSERT_TRUE(dispatcher_.start(queue({at("first.test")})));
    ASSERT_TRUE(dispatcher_.start(queue({at("second.test")})));
    ASSERT_EQ(started_, 1U);
    const int channel = agents_.front().seen_by_dispatcher;
    agents_.clear();
    EXPECT_TRUE(dispatcher_.serve(channel));
    EXPECT_EQ(deliver_all(), std::vector<std::string>{"second.test"});
}

TEST_F(DispatcherTest, TheEndAsksBusyAgentsToEndAndIsNoAttempt) {
    const std::string id = queue({at("a.test")});
    ASSERT_TRUE(dispatcher_.start(id));
    dispatcher_.stop();
    EXPECT_EQ(asked_to_end_.size(), 1U);
    end_those_asked();
    EXPECT_EQ(deferred_, std::vector<std::string>{id});
    EXPECT_EQ(spool_.peek(id)->recipients[0].attempts, 0U);
    EXPECT_TRUE(dispatcher_.is_idle());
}

}  // namespace
}  // namespace postoffice
