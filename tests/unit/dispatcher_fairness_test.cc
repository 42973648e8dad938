// Agents are shared fairly: no destination, user or owner takes those that others need.
#include <gtest/gtest.h>

#include "dispatcher_fixture.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

using namespace testing_dispatcher;

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
    config_.remote.usual.destination_agents = 2;
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
        (agent.destination().starts_with("slow") ? slow_ones : new_ones) += 1;
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

TEST_F(DispatcherTest, AnAgentWorksForManyDestinationsOneAfterTheOther) {
    config_.remote.agents = 2;
    std::vector<Recipient> recipients;
    for (int n = 0; n < 50; ++n) recipients.push_back(at("d" + std::to_string(n) + ".test"));
    ASSERT_TRUE(dispatcher_.start(queue(recipients)));
    std::vector<std::string> served = deliver_all();
    EXPECT_EQ(started_, 2U);
    std::sort(served.begin(), served.end());
    EXPECT_EQ(std::unique(served.begin(), served.end()) - served.begin(), 50) << "each has its own mail";
}

TEST_F(DispatcherTest, AnAgentThatMayKeepAConnectionIsLeftAloneWhileThereMayBeMore) {
    config_.remote.agents = 2;
    ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    ASSERT_EQ(deliver_all().size(), 1U);
    ASSERT_TRUE(dispatcher_.start(queue({at("b.test")})));
    EXPECT_EQ(started_, 2U);
    ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    EXPECT_EQ(started_, 2U);
    EXPECT_EQ(agents_.front().destination(), "a.test") << "its connection is used again";
    EXPECT_EQ(deliver_all().size(), 2U);
}

/// Places for messages under way of one owner: the next one waits for a share.
constexpr std::size_t most_of_an_owner = Dispatcher::most_active * 2 / 3 + 1;

TEST_F(DispatcherTest, MailThatWaitsForAShareFollowsOverTheConnectionOfItsDestination) {
    config_.remote.agents = 1;
    ASSERT_TRUE(dispatcher_.start(queue({at("first.test")}, {}, "192.0.2.6")));
    for (std::size_t n = 1; n < most_of_an_owner; ++n)
        ASSERT_TRUE(dispatcher_.start(queue({at("d" + std::to_string(n) + ".test")}, {}, "192.0.2.6")));
    for (int n = 0; n < 25; ++n)
        for (const char* domain : {"other.test", "first.test"})
            ASSERT_TRUE(dispatcher_.start(queue({at(domain)}, {}, "192.0.2.6")));
    std::vector<std::string> served = deliver_all();
    ASSERT_GE(served.size(), 21U);
    const auto is_first = [](const std::string& name) { return name == "first.test"; };
    EXPECT_TRUE(std::all_of(served.begin(), served.begin() + 20, is_first));
    EXPECT_FALSE(is_first(served[20])) << "others have waited for the agent";
    for (; dispatcher_.can_go_on(); dispatcher_.go_on())
        for (const std::string& name : deliver_all()) served.push_back(name);
    for (const std::string& name : deliver_all()) served.push_back(name);
    EXPECT_EQ(served.size(), most_of_an_owner + 50) << "none is forgotten, none comes twice";
}

TEST_F(DispatcherTest, AnAgentOfARelayHostWorksForNoOther) {
    config_.remote.agents = 1;
    ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    ASSERT_EQ(deliver_all(), std::vector<std::string>{"a.test"});
    config_.remote.relay_hosts = {*parse_relay_host("relay.test")};
    ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    EXPECT_EQ(started_, 2U) << "only an agent that was started for a relay host can ask for its login";
    ASSERT_EQ(deliver_all(), std::vector<std::string>{"relay.test"});
    config_.remote.relay_hosts.clear();
    ASSERT_TRUE(dispatcher_.start(queue({at("a.test")})));
    EXPECT_EQ(started_, 3U);
    EXPECT_EQ(deliver_all(), std::vector<std::string>{"a.test"});
}

TEST_F(DispatcherTest, DestinationsThatDoNotAnswerLeaveRoomForOtherMailOfTheSameOwner) {
    config_.remote.agents = 200;
    for (int round = 0; round < 20; ++round)
        for (int n = 0; n < 20; ++n)
            ASSERT_TRUE(
                dispatcher_.start(queue({at("dead" + std::to_string(n) + ".test")}, {}, "192.0.2.6")));
    ASSERT_TRUE(dispatcher_.start(queue({at("fresh.test")}, {}, "192.0.2.6")));
    EXPECT_TRUE(has_agent("fresh.test"));
    EXPECT_TRUE(deliver_to("fresh.test"));
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

}  // namespace
}  // namespace postoffice
