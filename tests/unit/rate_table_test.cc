#include "postoffice/policy/rate_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "postoffice/base/keyed_hash.h"

namespace postoffice {
namespace {

constexpr Seconds hour{3600};

template <class Body>
pid_t fork_process(const Body& body) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    body();
    ::_exit(0);
}

int wait_for_end(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return status;
}

TEST(RateTable, CountsEachKeyAlone) {
    RateTable table;
    EXPECT_EQ(table.count("a", hour), 0U);
    EXPECT_EQ(table.add("a", 1, hour), 1U);
    EXPECT_EQ(table.add("a", 1, hour), 2U);
    EXPECT_EQ(table.add("b", 7, hour), 7U);
    EXPECT_EQ(table.count("a", hour), 2U);
    EXPECT_EQ(table.add("a", 0, hour), 2U);
    EXPECT_EQ(table.add("", 1, hour), 1U);
    EXPECT_EQ(table.count(std::string_view("a\0b", 3), hour), 0U);
}

TEST(RateTable, Forgets) {
    RateTable table;
    table.add("a", 5, hour);
    table.forget("a");
    table.forget("never seen");
    EXPECT_EQ(table.count("a", hour), 0U);
    EXPECT_EQ(table.add("a", 1, hour), 1U);
}

TEST(RateTable, LeaksEvenly) {
    RateTable table;
    const auto start = std::chrono::steady_clock::now();
    table.add("a", 1000, Seconds(2));
    std::uint64_t before = 1000;
    for (;;) {
        const std::uint64_t count = table.count("a", Seconds(2));
        const auto passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        ASSERT_LE(count, before);
        // Ticks are an eighth of a second.
        ASSERT_GE(static_cast<double>(count) + 1, 1000 * (1 - (passed + 0.126) / 2));
        before = count;
        if (count == 0) break;
        ASSERT_LT(passed, 60);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

TEST(RateTable, StopsCountingAtItsEnd) {
    RateTable table;
    const std::uint64_t most = table.add("a", ~std::uint64_t{0}, hour);
    EXPECT_GT(most, 1'000'000U);
    EXPECT_EQ(table.add("a", ~std::uint64_t{0}, hour), most);
    EXPECT_EQ(table.add("b", 1, Seconds(0)), 1U);
    EXPECT_EQ(table.add("c", 3, Seconds(10 * 366 * 86400LL)), 3U);
}

TEST(RateTable, DoesNotGrow) {
    RateTable table(64);
    for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t count = table.add(fmt::format("stranger {}", i), 3, hour);
        ASSERT_EQ(count, 3U) << "the count of another key was taken over";
    }
    int known = 0;
    for (int i = 0; i < 100'000; ++i) known += table.count(fmt::format("stranger {}", i), hour) != 0;
    EXPECT_GT(known, 0);
    EXPECT_LE(known, 64);
}

TEST(RateTable, KeepsWhatFits) {
    RateTable table;
    for (int i = 0; i < 3'000; ++i) table.add(fmt::format("client {}", i), 2, hour);
    int known = 0;
    for (int i = 0; i < 3'000; ++i) known += table.count(fmt::format("client {}", i), hour) == 2;
    EXPECT_EQ(known, 3'000);
}

TEST(RateTable, IsSharedByProcesses) {
    constexpr int processes = 40, times = 2000;
    RateTable table;
    std::vector<pid_t> children;
    for (int n = 0; n < processes; ++n)
        children.push_back(fork_process([&] {
            for (int i = 0; i < times; ++i) {
                table.add("all", 1, hour);
                table.add(fmt::format("process {}", n), 1, hour);
            }
        }));
    for (const pid_t child : children) EXPECT_EQ(wait_for_end(child), 0);
    // What leaks within the seconds that this takes is a few of eighty thousand in an hour.
    EXPECT_LE(table.count("all", hour), std::uint64_t{processes} * times);
    EXPECT_GE(table.count("all", hour), std::uint64_t{processes} * times * 9 / 10);
    for (int n = 0; n < processes; ++n)
        EXPECT_GE(table.count(fmt::format("process {}", n), hour), std::uint64_t{times} * 9 / 10);
}

TEST(RateTable, OutlivesProcessesKilledInside) {
    RateTable table(16);  // small, so that places change hands all the time
    for (int round = 0; round < 50; ++round) {
        std::vector<pid_t> children;
        for (int n = 0; n < 4; ++n)
            children.push_back(fork_process([&] {
                for (std::uint64_t i = 0;; ++i) {
                    table.add(fmt::format("key {}", i % 100), 1, hour);
                    table.add("steady", 1, hour);
                }
            }));
        std::this_thread::sleep_for(std::chrono::milliseconds(round % 5));
        for (const pid_t child : children) {
            ::kill(child, SIGKILL);
            EXPECT_EQ(wait_for_end(child), SIGKILL);
        }
        const std::string fresh = fmt::format("fresh {}", round);
        ASSERT_EQ(table.add(fresh, 1, hour), 1U);
        ASSERT_EQ(table.add(fresh, 1, hour), 2U);
    }
}

TEST(RateTable, IsNotHeldUpByOneThatIsStopped) {
    RateTable table(1);
    const pid_t child = fork_process([&] {
        for (;;) table.add("key", 1, hour);
    });
    for (int i = 0; i < 100; ++i) {
        ::kill(child, SIGSTOP);
        ASSERT_GE(table.add("key", 1, hour), 1U);
        ::kill(child, SIGCONT);
    }
    ::kill(child, SIGKILL);
    EXPECT_EQ(wait_for_end(child), SIGKILL);
}

// Two of the vectors that its authors published.
TEST(KeyedHash, IsSipHash) {
    const HashKey key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    std::string text;
    EXPECT_EQ(keyed_hash(key, text), 0x726fdb47dd0e0e31U);
    for (char c = 0; c < 15; ++c) text += c;
    EXPECT_EQ(keyed_hash(key, text), 0xa129ca6149be45e5U);
}

// SipHash-2-4 of the empty text with 128 bits, as its authors published it and as OpenSSL computes it.
TEST(KeyedHash, Has128BitsIfThatIsWanted) {
    const KeyedHash hash({0x0706050403020100, 0x0f0e0d0c0b0a0908}, KeyedHash::Width::bits_128);
    EXPECT_EQ(hash.values(), (Hash128{0xe6a825ba047f81a3, 0x930255c71472f66d}));
}

TEST(KeyedHash, IsTheSameInPieces) {
    const HashKey key = {1, 2};
    const std::string text = "twenty-three octets \0\xff!";
    for (std::size_t first = 0; first <= text.size(); ++first)
        for (std::size_t second = first; second <= text.size(); ++second) {
            KeyedHash hash(key);
            hash.append(text.substr(0, first));
            hash.append(text.substr(first, second - first));
            hash.append(text.substr(second));
            EXPECT_EQ(hash.value(), keyed_hash(key, text)) << first << ", " << second;
        }
}

}  // namespace
}  // namespace postoffice
