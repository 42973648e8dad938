// How messages find their way to queue agents. The agents here are this test itself: it holds the other ends
// of their channels.
#include "postoffice/delivery/dispatcher.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <list>
#include <system_error>

#include "postoffice/base/packet.h"
#include "postoffice/delivery/queue_job.h"
#include "postoffice/mail/aliases.h"
#include "postoffice/mail/user_files.h"
#include "postoffice/mail/users.h"
#include "spool_folder.h"

namespace postoffice {
namespace {

class DispatcherTest : public ::testing::Test {
  protected:
    struct FakeAgent {
        QueueAgentTask task;
        Fd channel;
        int seen_by_dispatcher = -1;
    };

    Worker start_agent(const QueueAgentTask& task) {
        if (no_processes_) throw std::system_error(EAGAIN, std::generic_category(), "fork");
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::system_error(errno, std::generic_category(), "socketpair");
        agents_.push_back({task, Fd(ends[1]), ends[0]});
        ++started_;
        Worker worker;
        worker.channel = Fd(ends[0]);
        return worker;
    }

    static Recipient at(const std::string& domain) {
        const Address address("bob", domain);
        return {address, {Target::Kind::remote, "", address}};
    }
    static Recipient program_of(const std::string& user) {
        const Address address(user, "host.test");
        return {address, {Target::Kind::program, user, address, "|cat"}};
    }
    std::string queue(const std::vector<Recipient>& recipients, Seconds age = Seconds(0)) {
        Envelope envelope;
        envelope.sender = Address("alice", "a.test");
        envelope.arrived = now_unix() - age.count();
        envelope.recipients = recipients;
        Message message(folder_.path());
        message.append("Subject: x\n\nText\n");
        return spool_.commit(Spool::new_id(), envelope, message).id();
    }

    /// Agents that were dismissed since are forgotten.
    void forget_dismissed() {
        std::erase_if(agents_, [](const FakeAgent& agent) {
            char octet;
            return ::recv(agent.channel.get(), &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
        });
    }
    /// The first agent that has a job delivers it; the name of its destination, or "" if no agent has one.
    std::string deliver_one() {
        forget_dismissed();
        for (FakeAgent& agent : agents_) {
            auto job = receive_struct_now<QueueJob>(agent.channel.get());
            if (job.kind != Arrival::Kind::packet) continue;
            QueueEntry entry(folder_.path(), std::move(job.descriptors.at(0)));
            for (std::uint32_t i = 0; i < job.value.count; ++i)
                entry.record(job.value.recipients[i], delivered("Kept"));
            send_struct(agent.channel.get(), QueueJobDone());
            const std::string name = agent.task.is_local ? "local" : agent.task.destination;
            EXPECT_TRUE(dispatcher_.serve(agent.seen_by_dispatcher));
            return name;
        }
        return "";
    }
    /// The first agent that has a job finds no host that takes it; false if none has one.
    bool refuse_one(const std::string& by) {
        forget_dismissed();
        for (FakeAgent& agent : agents_) {
            if (receive_struct_now<QueueJob>(agent.channel.get()).kind != Arrival::Kind::packet) continue;
            QueueJobDone done;
            done.destination_is_down = done.is_unrecorded = 1;
            done.code = 421;
            done.status.assign_cut("4.7.0");
            done.why.assign_cut("too many connections");
            done.by.assign_cut(by);
            send_struct(agent.channel.get(), done);
            return dispatcher_.serve(agent.seen_by_dispatcher);
        }
        return false;
    }
    std::vector<std::string> deliver_all() {
        std::vector<std::string> names;
        for (std::string name = deliver_one(); !name.empty(); name = deliver_one()) names.push_back(name);
        return names;
    }

    testing::TemporaryFolder folder_;
    Config config_;
    Spool spool_{folder_.path()};
    AliasTable aliases_{""};
    UserDirectory users_;
    OwnEyes files_{config_};
    Router router_{config_, aliases_, users_, files_};
    Bouncer bouncer_{config_, spool_, router_};
    std::list<FakeAgent> agents_;
    unsigned started_ = 0;
    bool no_processes_ = false;
    std::vector<std::string> deferred_;
    std::vector<std::string> finished_;
    std::vector<std::string> gone_;
    std::vector<std::string> reports_;
    bool may_leave_ = true;
    Dispatcher dispatcher_{
        config_,
        spool_,
        bouncer_,
        {.start_agent = [this](const QueueAgentTask& task) { return start_agent(task); },
         .on_deferred = [this](const std::string& id, UnixTime) { deferred_.push_back(id); },
         .on_finished = [this](const std::string& id) { finished_.push_back(id); },
         .on_gone = [this](const std::string& id) { gone_.push_back(id); },
         .on_queued = [this](const std::string& id) { reports_.push_back(id); },
         .may_leave = [this](const Journal&) { return may_leave_; }}};
};

TEST_F(DispatcherTest, MoreDestinationsThanAgentsAreServedOneAfterTheOther) {
    config_.agents = 3;
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
    config_.qreturn = Seconds(1000);
    config_.destination_agents = 1;
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
    config_.qreturn = Seconds(1000);
    const std::string first = queue({at("a.test")}), old = queue({at("a.test")}, Seconds(1001));
    ASSERT_TRUE(dispatcher_.start(first));
    ASSERT_TRUE(refuse_one(""));
    ASSERT_TRUE(dispatcher_.start(old));
    EXPECT_EQ(finished_, std::vector<std::string>{old});
    EXPECT_NE(testing::read_file(folder_ / ("rm" + old)).find("too many connections"), std::string::npos);
}

TEST_F(DispatcherTest, AnAgentThatIsOneTooManyLeavesItsWorkToTheOthers) {
    config_.destination_agents = 3;
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
    config_.destination_agents = 2;
    for (int n = 0; n < 2; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    ASSERT_TRUE(refuse_one(""));
    EXPECT_EQ(deferred_.size(), 1U);
}

TEST_F(DispatcherTest, AnAgentThatDiesMakesRoomForAnotherDestination) {
    config_.agents = 1;
    ASSERT_TRUE(dispatcher_.start(queue({at("first.test")})));
    ASSERT_TRUE(dispatcher_.start(queue({at("second.test")})));
    ASSERT_EQ(started_, 1U);
    const int channel = agents_.front().seen_by_dispatcher;
    agents_.clear();
    EXPECT_TRUE(dispatcher_.serve(channel));
    EXPECT_EQ(deliver_all(), std::vector<std::string>{"second.test"});
}

TEST_F(DispatcherTest, ABusyDestinationDoesNotKeepTheAgentsForItself) {
    config_.agents = 1;
    for (int n = 0; n < 35; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("busy.test")})));
    ASSERT_TRUE(dispatcher_.start(queue({at("other.test")})));
    const std::vector<std::string> served = deliver_all();
    ASSERT_EQ(served.size(), 36U);
    const auto other = std::find(served.begin(), served.end(), "other.test") - served.begin();
    EXPECT_LT(other, 30) << "it waits for its turn";
    EXPECT_GT(other, 5) << "a connection is used more than once";
}

TEST_F(DispatcherTest, NobodyButOthersOfItsKindTakesTheAgentsOfAProgram) {
    config_.agents = 2;
    ASSERT_TRUE(dispatcher_.start(queue({at("a.test"), at("b.test"), at("c.test"), program_of("alice")})));
    EXPECT_EQ(std::count_if(agents_.begin(), agents_.end(),
                            [](const FakeAgent& agent) { return agent.task.is_local; }),
              1);
    EXPECT_EQ(deliver_all().size(), 4U);
}

TEST_F(DispatcherTest, WithoutAProcessForItAMessageWaits) {
    no_processes_ = true;
    const std::string id = queue({at("a.test"), at("b.test")});
    EXPECT_TRUE(dispatcher_.start(id));
    EXPECT_EQ(deferred_, std::vector<std::string>{id});
    EXPECT_TRUE(dispatcher_.is_idle());
    no_processes_ = false;
    dispatcher_.forget_down_destinations();
    ASSERT_TRUE(dispatcher_.start(id)) << "nobody holds its lock";
    EXPECT_EQ(deliver_all().size(), 2U);
}

TEST_F(DispatcherTest, OneDestinationHasItsOwnBound) {
    config_.destination_agents = 2;
    for (int n = 0; n < 5; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("busy.test")})));
    EXPECT_EQ(started_, 2U);
    EXPECT_EQ(deliver_all().size(), 5U);
    EXPECT_EQ(started_, 2U);
    EXPECT_EQ(finished_.size(), 5U);
}

}  // namespace
}  // namespace postoffice
