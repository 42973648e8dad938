// How urgent the events of the log are.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <syslog.h>

#include "postoffice/base/log.h"
#include "postoffice/base/process.h"

namespace postoffice {
namespace {

TEST(LogEvents, HavePriorities) {
    EXPECT_EQ(event_priority("crash"), LOG_CRIT);
    EXPECT_EQ(event_priority("not-started"), LOG_CRIT);
    EXPECT_EQ(event_priority("not-stored"), LOG_ERR);
    EXPECT_EQ(event_priority("alias-broken"), LOG_WARNING);
    EXPECT_EQ(event_priority("refused"), LOG_NOTICE);
    EXPECT_EQ(event_priority("REJECT"), LOG_NOTICE);
    EXPECT_EQ(event_priority("passed-on"), LOG_NOTICE);
    EXPECT_EQ(event_priority("started"), LOG_NOTICE);
    EXPECT_EQ(event_priority("delivered"), LOG_INFO);
    EXPECT_EQ(event_priority("an event without a row"), LOG_INFO);
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
