// The vocabulary of the log against itself and against postoffice-log(5).
#include "postoffice/base/log_events.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>
#include <map>
#include <set>

#include "postoffice/base/process.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// Names to what is said of them, in one line.
using Entries = std::map<std::string, std::string>;

/// The items of the manual whose names have the macro, such as ".It Ic crash Pq crit : Cm process reason",
/// and the text below each.
Entries manual_entries(const std::string& macro, const std::string& section) {
    // The unit tests run in the top folder of the tree, as `make check` does.
    std::ifstream file("man/postoffice-log.5");
    EXPECT_TRUE(file) << "run the tests from the top folder";
    Entries entries;
    const std::string item = ".It " + macro + " ";
    std::string* entry = nullptr;
    bool is_there = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(".Sh ")) is_there = line == ".Sh " + section;
        if (line.starts_with('.')) entry = nullptr;
        if (is_there && line.starts_with(item)) {
            const std::string rest = line.substr(item.size());
            const std::size_t end = std::min(rest.find(' '), rest.size());
            entry = &entries[rest.substr(0, end)];
            *entry = rest.substr(end);
        } else if (entry != nullptr) {
            *entry += " " + line;
        }
    }
    return entries;
}

TEST(LogVocabulary, HasTheEventsOfTheManual) {
    Entries events;
    for (const LogEventRow& row : log_events) {
        const std::string keys = row.keys.empty() ? "" : fmt::format(" : Cm {}", row.keys);
        const auto [entry, is_new] =
            events.emplace(row.name, fmt::format(" Pq {}{} {}", name_of(row.level), keys, row.meaning));
        EXPECT_TRUE(is_new) << row.name << " has two rows";
    }
    EXPECT_EQ(events, manual_entries("Ic", "EVENTS"));
}

TEST(LogVocabulary, HasTheKeysOfTheManual) {
    Entries keys;
    for (const LogKeyRow& row : log_keys) {
        const auto [entry, is_new] =
            keys.emplace(row.name, fmt::format("{} {}", row.is_number ? " Pq number" : "", row.meaning));
        EXPECT_TRUE(is_new) << row.name << " has two rows";
    }
    EXPECT_EQ(keys, manual_entries("Cm", "FIELDS"));
}

TEST(LogVocabulary, HasOneFormOfNames) {
    const auto has_form = [](std::string_view name) {
        return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == name.npos && !name.starts_with('-') &&
               !name.ends_with('-') && name.find("--") == name.npos;
    };
    for (const LogEventRow& row : log_events) EXPECT_TRUE(has_form(row.name)) << row.name;
    for (const LogKeyRow& row : log_keys) EXPECT_TRUE(has_form(row.name)) << row.name;
}

// Those that each line has in JSON are no fields.
TEST(LogVocabulary, UsesEachKeyAndNoOther) {
    std::set<std::string_view> known, used;
    for (const LogKeyRow& row : log_keys) known.insert(row.name);
    for (const LogEventRow& row : log_events)
        for (const std::string_view key : split(row.keys, ' '))
            if (!key.empty()) used.insert(key);
    EXPECT_EQ(known, used);
    for (const std::string_view fixed : {"time", "tag", "pid", "level", "id", "event"})
        EXPECT_FALSE(known.contains(fixed)) << fixed;
}

TEST(LogVocabulary, HasLevels) {
    EXPECT_EQ(LogEvent("crash").level(), LogLevel::crit);
    EXPECT_EQ(LogEvent("not-stored").level(), LogLevel::err);
    EXPECT_EQ(LogEvent("alias-broken").level(), LogLevel::warning);
    EXPECT_EQ(LogEvent("refused").level(), LogLevel::notice);
    EXPECT_EQ(LogEvent("delivered").level(), LogLevel::info);
}

// What a service manager or a terminal sends to the whole group is no crash.
TEST(LogEvents, AnEndBySignalIsACrashUnlessItWasAskedFor) {
    const auto ended_by = [](int signal) { return ProcessEnd{1, W_EXITCODE(0, signal)}.was_told_to_end(); };
    EXPECT_TRUE(ended_by(SIGTERM));
    EXPECT_TRUE(ended_by(SIGINT));
    EXPECT_FALSE(ended_by(SIGSEGV));
    EXPECT_FALSE(ended_by(SIGKILL));
    EXPECT_FALSE((ProcessEnd{1, W_EXITCODE(70, 0)}.was_told_to_end()));
}

}  // namespace
}  // namespace postoffice
