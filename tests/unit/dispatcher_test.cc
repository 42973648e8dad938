// How messages find their way to queue agents. The agents here are this test itself: it holds the other ends
// of their channels.
#include "postoffice/delivery/dispatcher.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <list>
#include <system_error>
#include <thread>

#include "postoffice/base/packet.h"
#include "postoffice/delivery/queue_job.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"
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
        return {address, {Destination::Remote{}, address}};
    }
    static Recipient program_of(const std::string& user) {
        const Address address(user, "host.test");
        return {address, {Destination::Program{"cat", Destination::InUserFile{user}}, address}};
    }
    std::string queue(const std::vector<Recipient>& recipients, Seconds age = Seconds(0),
                      const std::string& client = "") {
        Envelope envelope;
        envelope.origin.client_address = client;
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
            if (job.kind != PacketArrival::Kind::packet) continue;
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
            if (receive_struct_now<QueueJob>(agent.channel.get()).kind != PacketArrival::Kind::packet)
                continue;
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
    /// As deliver_one(), by the agent for this destination.
    bool deliver_to(const std::string& destination) {
        const auto is_other = [&](const FakeAgent& agent) { return agent.task.destination != destination; };
        std::list<FakeAgent> others;
        for (auto agent = agents_.begin(); agent != agents_.end();) {
            const auto next = std::next(agent);
            if (is_other(*agent)) others.splice(others.end(), agents_, agent);
            agent = next;
        }
        const bool is_done = deliver_one() == destination;
        agents_.splice(agents_.end(), others);
        return is_done;
    }
    /// The agents that were asked to end do so.
    void end_those_asked() {
        for (const int channel : std::exchange(asked_to_end_, {})) {
            std::erase_if(agents_,
                          [&](const FakeAgent& agent) { return agent.seen_by_dispatcher == channel; });
            EXPECT_TRUE(dispatcher_.serve(channel));
        }
    }
    bool has_agent(const std::string& destination) {
        forget_dismissed();
        return std::any_of(agents_.begin(), agents_.end(),
                           [&](const FakeAgent& agent) { return agent.task.destination == destination; });
    }
    void let_time_pass() {
        std::this_thread::sleep_for(2 * slow);
        dispatcher_.end_idle_agents();
        end_those_asked();
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
    DirectUserFiles files_{config_};
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
    std::vector<int> asked_to_end_;
    static constexpr Milliseconds slow{100};
    Dispatcher dispatcher_{
        config_,
        spool_,
        bouncer_,
        {.start_agent = [this](const QueueAgentTask& task) { return start_agent(task); },
         .on_deferred = [this](const std::string& id, UnixTime) { deferred_.push_back(id); },
         .on_finished = [this](const std::string& id) { finished_.push_back(id); },
         .on_gone = [this](const std::string& id) { gone_.push_back(id); },
         .on_queued = [this](const std::string& id) { reports_.push_back(id); },
         .may_leave = [this](const Journal&) { return may_leave_; },
         .owner_of = [](const std::string& domain) { return domain == "club.test" ? "carol" : ""; },
         .end_agent = [this](const Worker& worker, int) { asked_to_end_.push_back(worker.channel.get()); }},
        slow};
};

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
    config_.remote.destination_agents = 1;
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
    EXPECT_NE(testing::read_file(folder_ / ("rm" + old)).find("too many connections"), std::string::npos);
}

TEST_F(DispatcherTest, AnAgentThatIsOneTooManyLeavesItsWorkToTheOthers) {
    config_.remote.destination_agents = 3;
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
    config_.remote.destination_agents = 2;
    for (int n = 0; n < 2; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    ASSERT_TRUE(refuse_one(""));
    EXPECT_EQ(deferred_.size(), 1U);
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

TEST_F(DispatcherTest, ABusyDestinationDoesNotKeepTheAgentsForItself) {
    config_.remote.agents = 1;
    for (int n = 0; n < 35; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("busy.test")})));
    ASSERT_TRUE(dispatcher_.start(queue({at("other.test")})));
    const std::vector<std::string> served = deliver_all();
    ASSERT_EQ(served.size(), 36U);
    const auto other = std::find(served.begin(), served.end(), "other.test") - served.begin();
    EXPECT_LT(other, 30) << "it waits for its turn";
    EXPECT_GT(other, 5) << "a connection is used more than once";
}

TEST_F(DispatcherTest, NobodyButOthersOfItsKindTakesTheAgentsOfAProgram) {
    config_.remote.agents = 2;
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
    config_.remote.destination_agents = 2;
    for (int n = 0; n < 5; ++n) ASSERT_TRUE(dispatcher_.start(queue({at("busy.test")})));
    EXPECT_EQ(started_, 2U);
    EXPECT_EQ(deliver_all().size(), 5U);
    EXPECT_EQ(started_, 2U);
    EXPECT_EQ(finished_.size(), 5U);
}

// A stranger's domains, each with name servers or mail hosts that take their time.
TEST_F(DispatcherTest, DestinationsThatAreSlowLeaveAgentsToOthers) {
    config_.remote.agents = 5;
    ASSERT_TRUE(dispatcher_.start(queue({at("known.test")})));
    EXPECT_EQ(deliver_all().size(), 1U);
    for (int n = 0; n < 6; ++n)
        ASSERT_TRUE(dispatcher_.start(queue({at("slow" + std::to_string(n) + ".test")}, {}, "192.0.2.6")));
    ASSERT_TRUE(dispatcher_.start(queue({at("known.test")})));
    EXPECT_TRUE(deliver_to("known.test")) << "a place is kept for destinations that were quick";

    for (int n = 0; n < 6; ++n)
        ASSERT_TRUE(dispatcher_.start(queue({at("more" + std::to_string(n) + ".test")}, {}, "192.0.2.6")));
    ASSERT_TRUE(dispatcher_.start(queue({at("fresh.test")}, {}, "198.51.100.1")));
    EXPECT_FALSE(has_agent("fresh.test"));
    let_time_pass();
    EXPECT_TRUE(has_agent("fresh.test")) << "it is the turn of another owner";
    EXPECT_TRUE(deliver_to("fresh.test"));
    EXPECT_TRUE(has_agent("slow0.test")) << "the first of the slow has the place of the slow";
    EXPECT_FALSE(has_agent("slow1.test"));
    EXPECT_TRUE(deferred_.empty()) << "who gives a place back was not tried";
}

TEST_F(DispatcherTest, WhoWasSlowWaitsInALineOfTheSlow) {
    config_.remote.agents = 5;
    for (int n = 0; n < 3; ++n)
        ASSERT_TRUE(dispatcher_.start(queue({at("slow" + std::to_string(n) + ".test")})));
    std::this_thread::sleep_for(2 * slow);
    EXPECT_EQ(deliver_all().size(), 3U);  // though late
    dispatcher_.end_idle_agents();
    for (int n = 0; n < 3; ++n)
        ASSERT_TRUE(dispatcher_.start(queue({at("slow" + std::to_string(n) + ".test")})));
    for (int n = 0; n < 4; ++n)
        ASSERT_TRUE(dispatcher_.start(queue({at("new" + std::to_string(n) + ".test")})));
    forget_dismissed();
    std::size_t slow_ones = 0, new_ones = 0;
    for (FakeAgent& agent : agents_) {
        pollfd job{agent.channel.get(), POLLIN, 0};
        if (::poll(&job, 1, 0) == 0) continue;
        (agent.task.destination.starts_with("slow") ? slow_ones : new_ones) += 1;
    }
    EXPECT_EQ(slow_ones, 1U);
    EXPECT_EQ(new_ones, 3U);
    EXPECT_EQ(deliver_all().size(), 7U) << "each in its turn";
}

TEST_F(DispatcherTest, ManyMessagesOfOneOwnerLeaveRoomForThoseOfOthers) {
    config_.remote.agents = 4;
    for (std::size_t n = 0; n < Dispatcher::most_active + 50; ++n)
        ASSERT_TRUE(dispatcher_.start(queue({at("d" + std::to_string(n) + ".test")}, {}, "192.0.2.6")));
    EXPECT_TRUE(dispatcher_.has_room());
    ASSERT_TRUE(dispatcher_.start(queue({program_of("bob")})));
    EXPECT_EQ(std::count_if(agents_.begin(), agents_.end(),
                            [](const FakeAgent& agent) { return agent.task.is_local; }),
              1);
    std::size_t served = 0;
    for (bool is_more = true; is_more; dispatcher_.go_on()) {
        const std::size_t now = deliver_all().size();
        served += now;
        is_more = now > 0;
    }
    EXPECT_EQ(served, Dispatcher::most_active + 51) << "none is forgotten";
    EXPECT_TRUE(dispatcher_.is_idle());
}

TEST_F(DispatcherTest, ProgramsOfOneUserLeaveAgentsToThoseOfOthers) {
    config_.local.owner_programs = 2;
    for (int n = 0; n < 5; ++n) {
        const Address address("list" + std::to_string(n), "club.test");
        const Destination::InDomainAlias alias{address.local_part(), "club.test"};
        const Recipient program{address, {Destination::Program{"sleep 600", alias}, address}};
        ASSERT_TRUE(dispatcher_.start(queue({program})));
    }
    EXPECT_EQ(started_, 2U) << "twelve aliases have one owner";
    ASSERT_TRUE(dispatcher_.start(queue({program_of("bob")})));
    EXPECT_EQ(started_, 3U);
    EXPECT_EQ(deliver_all().size(), 6U);
}

TEST_F(DispatcherTest, AMailboxThatDoesNotAnswerSoonGetsAnAgentOfItsOwn) {
    const auto mailbox_of = [](const std::string& user) {
        const Address address(user, "host.test");
        return Recipient{address, {Destination::Mailbox{user}, address}};
    };
    const std::string id = queue({mailbox_of("eve"), mailbox_of("bob")});
    ASSERT_TRUE(dispatcher_.start(id));
    FakeAgent& common = agents_.front();
    auto job = receive_struct_now<QueueJob>(common.channel.get());
    ASSERT_EQ(job.value.count, 2U);
    EXPECT_EQ(job.value.is_patient, 0);
    {
        QueueEntry entry(folder_.path(), std::move(job.descriptors.at(0)));
        entry.record(1, delivered("Kept"));
    }
    QueueJobDone done;
    done.is_slow[0] = 1;
    send_struct(common.channel.get(), done);
    EXPECT_TRUE(dispatcher_.serve(common.seen_by_dispatcher));
    ASSERT_EQ(agents_.size(), 2U);
    const auto patient = receive_struct_now<QueueJob>(agents_.back().channel.get());
    ASSERT_EQ(patient.kind, PacketArrival::Kind::packet);
    EXPECT_EQ(patient.value.is_patient, 1);
    EXPECT_EQ(patient.value.count, 1U);
    EXPECT_EQ(patient.value.recipients[0], 0U);

    ASSERT_TRUE(dispatcher_.start(queue({mailbox_of("eve"), mailbox_of("bob")})));
    EXPECT_EQ(started_, 2U) << "the next message waits for eve there, and bob has it";
    EXPECT_EQ(receive_struct_now<QueueJob>(common.channel.get()).value.count, 1U);
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
