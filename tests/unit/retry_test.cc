#include "postoffice/delivery/retry.h"

#include <gtest/gtest.h>

#include <set>

namespace postoffice {
namespace {

Config config_with_retry(std::vector<Seconds> retry, Seconds qreturn) {
    Config config;
    config.queue.retry = std::move(retry);
    config.queue.qreturn = qreturn;
    return config;
}

Journal arrived_at(UnixTime when) {
    Journal journal;
    journal.envelope.arrived = when;
    return journal;
}

TEST(Retry, WaitsGrowAndTheLastRepeats) {
    const Config config = config_with_retry({Seconds(100), Seconds(200), Seconds(400)}, Seconds(1'000'000));
    EXPECT_EQ(next_attempt(config, arrived_at(0), 50, 1, 0), 150);
    EXPECT_EQ(next_attempt(config, arrived_at(0), 50, 2, 0), 250);
    EXPECT_EQ(next_attempt(config, arrived_at(0), 50, 3, 0), 450);
    EXPECT_EQ(next_attempt(config, arrived_at(0), 50, 4'000'000'000U, 0), 450);
}

TEST(Retry, WithoutAnAttemptItIsDueNow) {
    EXPECT_EQ(next_attempt(config_with_retry({Seconds(100)}, Seconds(1000)), arrived_at(0), 50, 0, 7), 50);
}

TEST(Retry, ChanceAddsAtMostATenth) {
    const Config config = config_with_retry({Seconds(100)}, Seconds(1'000'000));
    std::set<UnixTime> seen;
    for (std::uint32_t chance = 0; chance < 1000; ++chance)
        seen.insert(next_attempt(config, arrived_at(0), 0, 1, chance));
    EXPECT_EQ(*seen.begin(), 100);
    EXPECT_EQ(*seen.rbegin(), 110);
    EXPECT_EQ(seen.size(), 11U);
    EXPECT_EQ(next_attempt(config_with_retry({Seconds(5)}, Seconds(1000)), arrived_at(0), 0, 1, 0xFFFFFFFF),
              5);
}

TEST(Retry, TheLastAttemptIsAtExpiry) {
    const Config config = config_with_retry({Seconds(100)}, Seconds(1000));
    EXPECT_EQ(next_attempt(config, arrived_at(0), 950, 3, 5), 1000);
    EXPECT_TRUE(has_expired(config, arrived_at(0), next_attempt(config, arrived_at(0), 950, 3, 5)));
    EXPECT_EQ(next_attempt(config, arrived_at(0), 5000, 3, 5), 5000);
}

TEST(Retry, Expiry) {
    const Config config = config_with_retry({Seconds(100)}, Seconds(1000));
    EXPECT_FALSE(has_expired(config, arrived_at(500), 1499));
    EXPECT_TRUE(has_expired(config, arrived_at(500), 1500));
    EXPECT_FALSE(has_expired(config, arrived_at(500), 400));  // the clock was set back
}

TEST(Retry, TimeWithoutAttemptsExpiresNothing) {
    constexpr UnixTime hour = 3600, day = 24 * hour;
    const Config config = config_with_retry({Seconds(hour)}, Seconds(3 * day));
    Journal journal = arrived_at(1000);
    EXPECT_FALSE(has_expired(config, journal, 50 * 365 * day)) << "the clock of 1970 was set while it waited";
    EXPECT_EQ(expiry_of(config, journal, 1000 + day), 1000 + 3 * day) << "a queue run a day counts in full";

    EXPECT_TRUE(apply_journal_event(journal, 1000, "retry at " + rfc3339_utc(1000 + hour)));
    const UnixTime back = 1000 + hour + 10 * day;  // the host was off
    EXPECT_FALSE(has_expired(config, journal, back));
    EXPECT_TRUE(apply_journal_event(journal, back, "retry at " + rfc3339_utc(back + hour)));
    EXPECT_EQ(expiry_of(config, journal, back + hour), 1000 + 3 * day + 9 * day);
    EXPECT_TRUE(apply_journal_event(journal, 5000, "due at " + rfc3339_utc(6000))) << "the clock went back";
    EXPECT_EQ(expiry_of(config, journal, 6000), 1000 + 3 * day + 9 * day);
}

TEST(Retry, ChanceIsDrawn) {
    const Config config = config_with_retry({Seconds(1000)}, Seconds(1'000'000));
    const UnixTime when = next_attempt(config, arrived_at(0), 0, 1);
    EXPECT_GE(when, 1000);
    EXPECT_LE(when, 1100);
}

}  // namespace
}  // namespace postoffice
