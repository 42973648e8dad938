// What unfinished messages of one client may take of the spool.
#include "postoffice/queue/spool_shares.h"

#include <gtest/gtest.h>

#include <optional>

#include "local_delivery.h"
#include "postoffice/queue/message.h"

namespace postoffice {
namespace {

using namespace testing_local;

TEST(SpoolShares, OneClientTakesNoMoreThanItLeaves) {
    SpoolShares shares(10);
    SpoolShare first(shares, "192.0.2.1"), second(shares, "192.0.2.1"), other(shares, "192.0.2.2");
    EXPECT_TRUE(first.hold(400, 600));
    EXPECT_TRUE(second.hold(100, 500));
    EXPECT_FALSE(second.hold(101, 499)) << "501 of 1000";
    EXPECT_TRUE(other.hold(300, 300));
    EXPECT_TRUE(second.hold(0, 400)) << "one message was given up";
}

TEST(SpoolShares, WhatIsFinishedCountsNoMore) {
    SpoolShares shares(10);
    SpoolShare last(shares, "192.0.2.1");
    {
        SpoolShare first(shares, "192.0.2.1");
        EXPECT_TRUE(first.hold(400, 600));
        EXPECT_FALSE(last.hold(201, 399));
    }
    EXPECT_TRUE(last.hold(201, 399));
}

TEST(SpoolShares, AProcessThatDiesHoldsNothing) {
    SpoolShares shares(1);
    Child killed([&] {
        SpoolShare share(shares, "192.0.2.1");
        (void)share.hold(400, 600);
        ::raise(SIGKILL);
        return 0;
    });
    const pid_t process = killed.pid();
    killed.wait();
    shares.release(process);
    SpoolShare share(shares, "192.0.2.1");
    EXPECT_TRUE(share.hold(100, 100));
}

TEST(SpoolShares, WithoutAPlaceAMessageCountsAlone) {
    SpoolShares shares(1);
    SpoolShare first(shares, "192.0.2.1"), second(shares, "192.0.2.2");
    EXPECT_TRUE(first.hold(10, 10));
    EXPECT_TRUE(second.hold(10, 10));
    EXPECT_FALSE(second.hold(11, 10));
}

TEST(SpoolShares, AMessageTellsWhatItHolds) {
    const Folder folder;
    SpoolShares shares(10);
    SpoolShare other(shares, "192.0.2.1");
    ASSERT_TRUE(other.hold(1, std::uint64_t{1} << 62));
    SpoolShare share(shares, "192.0.2.1");
    Message message(folder.path(), 0, &share);
    message.append(std::string(2 * Message::memory_limit, 'x'));
    EXPECT_FALSE(other.hold(1, 2 * Message::memory_limit));
    EXPECT_TRUE(other.hold(1, 2 * Message::memory_limit + 1));
    message.abandon();
    EXPECT_TRUE(other.hold(1, 1));
    ASSERT_TRUE(other.hold(std::uint64_t{1} << 61, std::uint64_t{1} << 62));
    Message next(folder.path(), 0, &share);
    EXPECT_THROW(next.append(std::string(2 * Message::memory_limit, 'x')), SpoolIsFull);
}

}  // namespace
}  // namespace postoffice
