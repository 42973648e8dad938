// How long a look at the greylist takes with a million entries in it: what MAIL and RCPT of a stranger wait
// for. ENTRIES and CHECKS in the environment change the numbers. The databases are in a folder of its own
// below /var/tmp, on the disk.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <vector>

#include "postoffice/policy/correspondents.h"
#include "postoffice/policy/greylisting.h"

namespace {

using namespace postoffice;
using Clock = std::chrono::steady_clock;

constexpr UnixTime now = 1'800'000'000;

std::size_t number_from(const char* name, std::size_t otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoul(text, nullptr, 10) : otherwise;
}

/// The n-th stranger: four of them to a network.
GreylistFacts stranger(std::size_t n) {
    const auto address = fmt::format("{}.{}.{}.7", 11 + n / 4 / 65536, n / 4 / 256 % 256, n / 4 % 256);
    return {Address(fmt::format("somebody.{}", n), fmt::format("domain-{}.example", n % 50'000)),
            *IpAddress::parse(address), true};
}

void report(const char* what, std::vector<double>& microseconds) {
    std::sort(microseconds.begin(), microseconds.end());
    fmt::print("{:<52} median {:>6.1f} us, 99 % below {:>6.1f} us\n", what,
               microseconds[microseconds.size() / 2], microseconds[microseconds.size() * 99 / 100]);
}

}  // namespace

int main() {
    const std::size_t entries = number_from("ENTRIES", 1'000'000), checks = number_from("CHECKS", 20'000);
    std::string folder = "/var/tmp/postoffice-bench-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) return 1;
    Config config;
    config.greylist.db_dir = folder;
    config.greylist.enabled = true;
    const auto start = Clock::now();
    for (std::size_t n = 0; n < entries; ++n) (void)consult_greylist(config, stranger(n), now);
    fmt::print("{} strangers, {:.1f} us for each to be asked to come back\n", entries,
               std::chrono::duration<double, std::micro>(Clock::now() - start).count() /
                   static_cast<double>(entries));

    std::mt19937_64 random(1);
    std::vector<double> known, unknown, passed, vouched, written, noted;
    const auto time = [](auto&& what, std::vector<double>& into) {
        const auto began = Clock::now();
        what();
        into.push_back(std::chrono::duration<double, std::micro>(Clock::now() - began).count());
    };
    const auto timed = [&](std::size_t n, UnixTime when, std::vector<double>& into,
                           const Voucher& voucher = {}) {
        const GreylistFacts facts = stranger(n);
        time([&] { (void)consult_greylist(config, facts, when, voucher); }, into);
    };
    for (std::size_t i = 0; i < checks; ++i) {
        timed(random() % entries, now + 1, known);
        timed(entries + i, now + 1, unknown);
    }
    // Without the time that DNS takes to say so.
    for (std::size_t i = 0; i < checks; ++i) timed(2 * entries + i, now + 1, vouched, [] { return true; });
    for (std::size_t i = 0; i < checks; ++i) {
        const Address there = stranger(3 * entries + i).sender;
        Envelope letter;
        letter.sender = Address("alice", "host.example");
        letter.recipients.push_back({there, {Target::Kind::remote, "", there}});
        time([&] { note_correspondence(config, letter, true, now); }, noted);
        timed(3 * entries + i, now + 1, written);
    }
    for (std::size_t i = 0; i < checks; ++i) timed(random() % entries, now + 86'400, passed);
    report("too early again", known);
    report("never seen before", unknown);
    report("vouched for by its domain, never seen before", vouched);
    report("written to from here, never seen before", written);
    report("noting whom a message was sent to", noted);
    report("back in time, or of a network that was", passed);
    std::filesystem::remove_all(folder);
    return 0;
}
