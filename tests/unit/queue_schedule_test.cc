// The times of messages, and what a queue run changes while some of them are being delivered.
#include "postoffice/delivery/queue_schedule.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

TEST(QueueSchedule, AMessageKeepsTheTimeThatItWasAddedWith) {
    QueueSchedule schedule;
    schedule.add("a", 100);
    schedule.add("a", 50);
    EXPECT_EQ(schedule.next_due(), 100);
    schedule.set("a", 70);
    EXPECT_FALSE(schedule.has_due(69));
    EXPECT_TRUE(schedule.has_due(70));
    EXPECT_EQ(schedule.take_due(), "a");
    EXPECT_FALSE(schedule.next_due());
    schedule.put_back("a", 200);
    EXPECT_EQ(schedule.next_due(), 200);
}

TEST(QueueSchedule, ARunThatIsAskedForDuringAnAttemptIsMadeAfterIt) {
    QueueSchedule schedule;
    schedule.add("waits", 100);
    schedule.add("under way", 0);
    EXPECT_EQ(schedule.take_due(), "under way");
    schedule.make_all_due();
    EXPECT_EQ(schedule.take_due(), "waits");
    EXPECT_FALSE(schedule.next_due()) << "no message is delivered twice at the same time";
    schedule.put_back("under way", 300);
    EXPECT_EQ(schedule.next_due(), 0);
    EXPECT_EQ(schedule.take_due(), "under way");
    schedule.put_back("under way", 300);
    EXPECT_EQ(schedule.next_due(), 300) << "once";
}

TEST(QueueSchedule, AMessageThatIsWantedDuringAnAttemptStaysWanted) {
    QueueSchedule schedule;
    schedule.add("a", 0);
    EXPECT_EQ(schedule.take_due(), "a");
    schedule.try_now("a");
    schedule.put_back("a", 300);
    EXPECT_TRUE(schedule.is_wanted_now("a"));
    EXPECT_EQ(schedule.take_due(), "a");
    schedule.put_back("a", 300);
    EXPECT_FALSE(schedule.is_wanted_now("a"));
    EXPECT_EQ(schedule.next_due(), 300);
    EXPECT_EQ(schedule.take_due(), "a");
    schedule.try_now("a");
    schedule.forget("a");
    EXPECT_FALSE(schedule.next_due()) << "delivered";
}

}  // namespace
}  // namespace postoffice
