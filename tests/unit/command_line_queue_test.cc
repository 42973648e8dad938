// Options of queue runs, of mailq, and of the commands that manage the queue.
#include <gtest/gtest.h>

#include "command_line_words.h"

namespace postoffice {
namespace {

using namespace testing_command_line;

TEST(CommandLineTest, mailq_may_leave_out_what_matches) {
    const auto filters = accepted("mailq -q!x").queue.filters;
    ASSERT_EQ(filters.size(), 1U);
    EXPECT_EQ(filters.front(), (QueueFilter{'*', true, "x"}));
}

TEST(CommandLineTest, queue_intervals) {
    const std::vector<std::pair<const char*, int>> times = {
        {"15m", 900},   {"1h30m", 5400}, {"90s", 90},    {"2d", 172800},
        {"1w", 604800}, {"30", 1800},    {"1h30", 5400}, {"p10m", 600},
    };
    for (const auto& [text, seconds] : times) {
        const CommandLine line = accepted(std::string("sendmail -q") + text);
        EXPECT_EQ(line.mode, Mode::daemon) << text;
        EXPECT_FALSE(line.daemon.serve_smtp) << text;
        EXPECT_EQ(line.daemon.queue_interval, Seconds(seconds)) << text;
    }
    const CommandLine both = accepted("sendmail -q30m -bd");
    EXPECT_TRUE(both.daemon.serve_smtp);
    EXPECT_EQ(both.daemon.queue_interval, Seconds(1800));
    EXPECT_TRUE(accepted("smtpd -q").daemon.serve_smtp);
    const CommandLine by_name = accepted("smtpd -q5m");
    EXPECT_EQ(by_name.mode, Mode::daemon);
    EXPECT_TRUE(by_name.daemon.serve_smtp);
    EXPECT_EQ(by_name.daemon.queue_interval, Seconds(300));
}

TEST(CommandLineTest, queue_runs_and_filters) {
    using Filters = std::vector<QueueFilter>;
    for (const char* text :
         {"sendmail -q", "runq", "runq -v", "sendmail -bq", "sendmail -qi", "sendmail -ql", "sendmail -qq",
          "sendmail -qqi", "sendmail -qGname", "sendmail -qG name", "newaliases -q"})
        EXPECT_EQ(accepted(text).mode, Mode::run_queue) << text;
    EXPECT_FALSE(accepted("sendmail -q").queue.ignore_retry_times);
    EXPECT_TRUE(accepted("sendmail -qf").queue.ignore_retry_times);
    EXPECT_TRUE(accepted("runq -qqff").queue.ignore_retry_times);

    EXPECT_EQ(accepted("sendmail -qIab -q!Rbob -qSeve").queue.filters,
              (Filters{{'I', false, "ab"}, {'R', true, "bob"}, {'S', false, "eve"}}));
    EXPECT_EQ(accepted("sendmail -S eve").queue.filters, (Filters{{'S', false, "eve"}}));
    EXPECT_EQ(accepted("sendmail -S eve").mode, Mode::run_queue);
    for (const char* text : {"mailq -qbob", "sendmail -bp -qbob", "sendmail -qbob -bp"}) {
        EXPECT_EQ(accepted(text).queue.filters, (Filters{{'*', false, "bob"}})) << text;
        EXPECT_EQ(accepted(text).mode, Mode::list_queue) << text;
    }
    EXPECT_EQ(accepted("mailq -qQ -q!L").queue.filters, (Filters{{'Q', false, ""}, {'L', true, ""}}));
    EXPECT_TRUE(accepted("mailq -c").queue.count_only);
    EXPECT_FALSE(accepted("sendmail -c bob").queue.count_only);
    EXPECT_TRUE(accepted("mailq --json -v").json);
}

TEST(CommandLineTest, managing_the_queue) {
    const std::vector<std::pair<const char*, QueueAction>> actions = {
        {"-M", QueueAction::deliver},        {"-Mrm", QueueAction::remove},
        {"-Mvh", QueueAction::show_header},  {"-Mvb", QueueAction::show_body},
        {"-Mvl", QueueAction::show_journal}, {"-Mf", QueueAction::hold},
        {"-Mt", QueueAction::release},
    };
    for (const auto& [option, action] : actions) {
        const CommandLine line = accepted(std::string("sendmail ") + option + " id1 id2");
        EXPECT_EQ(line.mode, Mode::manage_queue) << option;
        EXPECT_EQ(line.queue.action, action) << option;
        EXPECT_EQ(line.words, (Words{"id1", "id2"})) << option;
    }
    const CommandLine hold = accepted("sendmail -Qspam -qSeve");
    EXPECT_EQ(hold.mode, Mode::manage_queue);
    EXPECT_EQ(hold.queue.action, QueueAction::hold);
    EXPECT_EQ(hold.queue.hold_reason, "spam");
    EXPECT_EQ(accepted("sendmail -Q -qIab").queue.action, QueueAction::release);
}

}  // namespace
}  // namespace postoffice
