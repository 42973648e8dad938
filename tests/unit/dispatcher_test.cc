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
    std::string queue(const std::vector<Recipient>& recipients) {
        Envelope envelope;
        envelope.sender = Address("alice", "a.test");
        envelope.arrived = now_unix();
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
    Dispatcher dispatcher_{
        config_,
        spool_,
        bouncer_,
        {.start_agent = [this](const QueueAgentTask& task) { return start_agent(task); },
         .on_deferred = [this](const std::string& id, UnixTime) { deferred_.push_back(id); },
         .on_finished = [this](const std::string& id) { finished_.push_back(id); },
         .on_gone = [](const std::string&) {},
         .on_queued = [](const std::string&) {}}};
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
