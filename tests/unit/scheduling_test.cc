// When a message is to be delivered: values of DELIVERBY, FUTURERELEASE and MT-PRIORITY, and the order that
// priorities make.
#include "postoffice/mail/scheduling.h"

#include <gtest/gtest.h>

#include "postoffice/delivery/destination_queue.h"
#include "postoffice/delivery/retry.h"
#include "postoffice/queue/journal.h"

namespace postoffice {
namespace {

TEST(Scheduling, DeliverByIsReadAndWritten) {
    const auto returned = parse_deliver_by("120;R", 1000);
    ASSERT_TRUE(returned);
    EXPECT_EQ(*returned, (DeliverBy{1120, true, false}));
    EXPECT_EQ(deliver_by_value(*returned, 1100), "20;R");
    EXPECT_EQ(parse_deliver_by("-5;nt", 1000), (DeliverBy{995, false, true}));
    EXPECT_EQ(parse_deliver_by("+999999999;N", 0)->at, 999'999'999);
    EXPECT_EQ(deliver_by_value({995, false, true}, 1000), "-5;NT");
    for (const char* bad : {"", "120", "120;", ";R", "120;X", "120;RTT", "120;RX", "0;R", "-1;R",
                            "1000000000;N", "1.5;N", "+-1;N", "120; N"})
        EXPECT_FALSE(parse_deliver_by(bad, 1000)) << bad;
}

TEST(Scheduling, ReleaseTimes) {
    EXPECT_EQ(parse_hold_for("60", 1000), 1060);
    for (const char* bad : {"", "0", "-1", "1h", "1000000000"}) EXPECT_FALSE(parse_hold_for(bad, 0)) << bad;
    EXPECT_EQ(parse_hold_until("2026-11-29T12:00:00Z"), parse_hold_until("2026-11-29T13:00:00.25+01:00"));
    EXPECT_EQ(parse_hold_until("1970-01-01T00:00:00-00:30"), 1800);
    for (const char* bad :
         {"", "2026-11-29", "2026-11-29T12:00:00", "2026-13-29T12:00:00Z", "2026-11-29T12:00:00z",
          "2026-11-29T12:00:00.Z", "2026-11-29T12:00:00+1:00", "2026-11-29T12:00:00+24:00"})
        EXPECT_FALSE(parse_hold_until(bad)) << bad;
}

TEST(Scheduling, Priorities) {
    EXPECT_EQ(parse_priority("9"), 9);
    EXPECT_EQ(parse_priority("-3"), -3);
    for (const char* bad : {"", "-", "10", "+1", "x", "--1"}) EXPECT_FALSE(parse_priority(bad)) << bad;
}

Envelope scheduled(const Scheduling& scheduling) {
    Envelope envelope;
    envelope.sender = Address("a", "a.test");
    envelope.arrived = 1000;
    envelope.parameters.scheduling = scheduling;
    envelope.recipients.push_back({Address("b", "b.test"), {Destination::Remote{}, Address("b", "b.test")}});
    return envelope;
}

TEST(Scheduling, TheJournalKeepsIt) {
    const Scheduling all{DeliverBy{5000, true, true}, 3000, -2};
    const Journal journal = parse_journal(journal_header("ID", scheduled(all)));
    EXPECT_EQ(journal.envelope.parameters.scheduling, all);
    const std::string damaged =
        "postoffice journal 1\nid: ID\narrived: 1970-01-01T00:16:40Z\ndeliver-by: soon\n"
        "release: 3\npriority: 77\nfrom: <>\nto: 1 remote <b@b.test>\nend of envelope\n";
    EXPECT_EQ(parse_journal(damaged).envelope.parameters.scheduling, Scheduling{});
}

TEST(Scheduling, AMessageThatIsHeldExpiresLater) {
    Config config;
    config.queue.qreturn = Seconds(100);
    config.queue.retry = {Seconds(500)};
    Journal journal;
    journal.envelope = scheduled({{}, 3000, 0});
    EXPECT_FALSE(has_expired(config, journal, 3099));
    EXPECT_TRUE(has_expired(config, journal, 3100));
    journal.envelope = scheduled({DeliverBy{1040, false, false}, 0, 0});
    EXPECT_EQ(next_attempt(config, journal, 1010, 1, 0), 1040);
    EXPECT_EQ(next_attempt(config, journal, 1050, 1, 0), 1100);
}

std::string order(const std::deque<BacklogEntry>& queue) {
    std::string text;
    for (const BacklogEntry& entry : queue) text += entry.id;
    return text;
}

TEST(Scheduling, AHigherPriorityPassesLowerOnes) {
    std::deque<BacklogEntry> queue;
    join_by_priority(queue, {"a", 0});
    join_by_priority(queue, {"b", -1});
    join_by_priority(queue, {"c", 0});
    join_by_priority(queue, {"d", 5});
    join_by_priority(queue, {"e", 5});
    EXPECT_EQ(order(queue), "deacb");
}

TEST(Scheduling, NoMessageIsPassedForEver) {
    std::deque<BacklogEntry> queue;
    join_by_priority(queue, {"old", 0});
    for (unsigned n = 0; n < most_overtakings; ++n) join_by_priority(queue, {"x", 9});
    join_by_priority(queue, {"late", 9});
    EXPECT_EQ(queue.back().id, "late");
    EXPECT_EQ((queue.end() - 2)->id, "old");
}

}  // namespace
}  // namespace postoffice
