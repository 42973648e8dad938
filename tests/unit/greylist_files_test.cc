// Greylist databases: many processes, expiry, and damaged files.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "greylist_fixture.h"

namespace postoffice {
namespace {

using namespace testing_greylist;

TEST_F(GreylistFiles, ManyProcessesLoseNothing) {
    constexpr int processes = 50, each = 20;
    for (int p = 0; p < processes; ++p)
        if (::fork() == 0) {
            const GreylistStore store(folder_, Milliseconds(30'000));
            for (int i = 0; i < each; ++i) {
                const auto add = [](const std::optional<GreylistEntry>& before) {
                    GreylistEntry entry = before.value_or(GreylistEntry{});
                    ++entry.tries;
                    return std::optional(entry);
                };
                store.change("all", add);
                store.change("own " + std::to_string(p) + " " + std::to_string(i), add);
            }
            ::_exit(0);
        }
    for (int round = 0; round < 5; ++round)
        GreylistStore(folder_).visit([](const auto&, const auto& entry) { return std::optional(entry); },
                                     true);
    for (int p = 0; p < processes; ++p) {
        int status = 0;
        ASSERT_GT(::wait(&status), 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(GreylistStore(folder_).find("all")->tries, static_cast<unsigned>(processes * each));
    EXPECT_EQ(count(), 1u + processes * each);
}

TEST(GreylistExpiry, WhatIsNotUsedGoes) {
    Config config;
    const auto day = [](int n) { return noon + n * 86400; };
    const GreylistEntry asked{noon, noon, 1, 0, false}, passed{noon, noon, 1, noon, false},
        black{noon, noon, 0, 0, true};
    EXPECT_FALSE(is_expired(config.greylist, asked, day(5)));
    EXPECT_TRUE(is_expired(config.greylist, asked, day(6))) << "a day is the longest wait";
    EXPECT_FALSE(is_expired(config.greylist, passed, day(13)));
    EXPECT_TRUE(is_expired(config.greylist, passed, day(14)));
    EXPECT_FALSE(is_expired(config.greylist, black, day(1000)));
    config.greylist.delay = Seconds(86400);
    EXPECT_FALSE(is_expired(config.greylist, asked, day(20))) << "it may still have to wait";
    config.greylist.keep = Seconds(0);
    EXPECT_FALSE(is_expired(config.greylist, passed, day(1000)));
}

TEST_F(GreylistFiles, ExpireByThemselves) {
    config_.greylist.enabled = true;
    for (int i = 0; i < 500; ++i)
        (void)consult_greylist(config_.greylist, from("old" + std::to_string(i) + "@far.example"), noon);
    const UnixTime later = noon + 20 * 86400;
    (void)consult_greylist(config_.greylist, from("new@far.example"), later);
    const GreylistStore store(folder_);
    store.change("bad@far.example", [](const auto&) {
        return std::optional(GreylistEntry{1, 1, 0, 0, true});
    });
    EXPECT_TRUE(is_greylist_expiry_due(config_.greylist, later));
    expire_greylist(config_.greylist, later, [] { return false; });
    EXPECT_EQ(count(), 502u) << "it was to end at once";
    expire_greylist(config_.greylist, later);
    EXPECT_EQ(count(), 2u);
    EXPECT_TRUE(store.find("bad@far.example")->is_blacklisted);
    EXPECT_FALSE(is_greylist_expiry_due(config_.greylist, later + 3600));
    EXPECT_TRUE(is_greylist_expiry_due(config_.greylist, later + 13 * 3600));
    config_.greylist.enabled = false;
    EXPECT_FALSE(is_greylist_expiry_due(config_.greylist, later + 13 * 3600));
}

TEST_F(GreylistFiles, WhoIsKilledBlocksNobody) {
    for (int round = 0; round < 20; ++round) {
        const pid_t pid = ::fork();
        if (pid == 0)
            for (int i = 0;; ++i)
                consult_greylist(config_.greylist, from("x" + std::to_string(i) + "@far.example"), noon);
        ::usleep(static_cast<useconds_t>(3000 + 977 * round));
        ::kill(pid, SIGKILL);
        int status = 0;
        ::waitpid(pid, &status, 0);
        EXPECT_NO_THROW(
            consult_greylist(config_.greylist, from("after" + std::to_string(round) + "@far.example"), noon));
    }
    EXPECT_NO_THROW(count());
}

TEST_F(GreylistFiles, ADamagedFileIsSetAside) {
    const auto fill = [&] {
        for (int i = 0; i < 64; ++i)
            consult_greylist(config_.greylist, from("a" + std::to_string(i) + "@far.example"), noon);
    };
    const auto damage = [&](const std::string& content) {
        fill();
        for (const auto& file : std::filesystem::directory_iterator(folder_))
            if (file.path().extension() == ".db") std::ofstream(file.path(), std::ios::trunc) << content;
    };
    const GreylistStore store(folder_);
    // A process that is killed can leave an empty one.
    for (const std::string content : {"this is no database", ""}) {
        damage(content);
        EXPECT_NO_THROW(store.change("a@b", [](const auto&) {
            return std::optional(GreylistEntry{1, 1, 1, 0, false});
        }));
        EXPECT_EQ(store.find("a@b")->tries, 1u);
        EXPECT_EQ(consult_greylist(config_.greylist, from("a1@far.example"), noon + 9).seconds, 3600)
            << "forgotten";
        EXPECT_EQ(consult_greylist(config_.greylist, from("a1@far.example"), noon + 19).seconds, 3590)
            << "and begun anew";
        damage(content);
        EXPECT_EQ(count(), 0u);
        fill();
        EXPECT_EQ(count(), 64u);
    }
    EXPECT_THROW(GreylistStore("/nowhere/at/all").find("a"), std::system_error);
}

}  // namespace
}  // namespace postoffice
