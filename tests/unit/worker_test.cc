// How a worker ends when it is asked to.
#include "postoffice/base/worker.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "local_delivery.h"

namespace postoffice {
namespace {

using namespace testing_local;

class WorkerEnd : public ::testing::TestWithParam<int> {
  protected:
    /// All that a worker writes that is asked to end after it has written "begun ".
    std::string written_by(bool holds) {
        Pipe out = make_pipe(), go_on = make_pipe();
        const auto say = [&](const char* text) {
            (void)!::write(out.write_end.get(), text, std::char_traits<char>::length(text));
        };
        Child child([&, parent = ::getpid()] {
            end_on_request(parent);
            allow_end();  // another test of this process may have been a client that holds it
            if (holds) hold_end();
            say("begun ");
            char octet = 0;
            (void)!::read(go_on.read_end.get(), &octet, 1);
            say(is_end_wanted() ? "noted " : "unasked ");
            allow_end();
            say("something new ");
            return 0;
        });
        out.write_end.reset();
        std::string text(6, '\0');
        EXPECT_EQ(::read(out.read_end.get(), text.data(), text.size()), 6);
        child.signal(GetParam());
        if (holds) {
            while (!has_seen_signal(child.pid())) ::usleep(1000);
            (void)!::write(go_on.write_end.get(), "x", 1);
        }
        EXPECT_EQ(child.wait(), 0);
        return text + disk::read_all(out.read_end.get(), 100);
    }
    /// Nothing of the signal is pending any more.
    static bool has_seen_signal(pid_t pid) {
        const std::string status = contents("/proc/" + std::to_string(pid) + "/status");
        return status.find("ShdPnd:\t0000000000000000") != std::string::npos;
    }
};

TEST_P(WorkerEnd, ComesAtOnce) {
    EXPECT_EQ(written_by(false), "begun ");
}

TEST_P(WorkerEnd, WaitsForWhatHasToBeNoted) {
    EXPECT_EQ(written_by(true), "begun noted ");
}

INSTANTIATE_TEST_SUITE_P(BySignal, WorkerEnd, ::testing::Values(SIGTERM, make_way_signal));

}  // namespace
}  // namespace postoffice
