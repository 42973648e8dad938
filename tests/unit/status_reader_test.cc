// sendmail -odi and -v: what they say of what the server told them, and what they end with.
#include "../../src/commands/submit/status_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace postoffice {
namespace {

class DeliveryWatchTest : public ::testing::Test {
  protected:
    DeliveryWatchTest() : pipe_(make_pipe()) {}

    /// What was said is heard to its end.
    StatusReader& hear(std::string_view text, bool is_all = true) {
        EXPECT_EQ(::write(pipe_.write_end.get(), text.data(), text.size()),
                  static_cast<ssize_t>(text.size()));
        if (is_all) pipe_.write_end.reset();
        const Deadline deadline = Deadline::after(is_all ? Milliseconds(60000) : Milliseconds(1));
        status_.emplace(std::move(pipe_.read_end), recipients_, "host.test");
        status_->wait(deadline, [this](const std::string& line) { lines_ += line + "\n"; });
        return *status_;
    }
    std::string told(std::string_view text, bool is_all = true) {
        std::string all;
        for (const std::string& line : hear(text, is_all).summary()) all += line + "\n";
        return all;
    }

    Pipe pipe_;
    std::vector<Address> recipients_{Address("ann", "x.test"), Address("bob", "x.test")};
    std::optional<StatusReader> status_;
    std::string lines_;
};

TEST_F(DeliveryWatchTest, each_recipient_has_a_line) {
    EXPECT_EQ(told("said\t192.0.2.1 >> QUIT\n"
                   "delivered\tbob@x.test\tmx [192.0.2.1]\t250 2.0.0 OK\n"
                   "deferred\tann@x.test\t\t451 4.4.1 mx: refused\n"),
              "ann@x.test: deferred, waits in the queue: 451 4.4.1 mx: refused\n"
              "bob@x.test: delivered: 250 2.0.0 OK (mx [192.0.2.1])\n");
    EXPECT_EQ(lines_, "192.0.2.1 >> QUIT\n");
    EXPECT_EQ(status_->exit_code(), 0);
    EXPECT_TRUE(status_->failures().empty());
}

TEST_F(DeliveryWatchTest, who_was_not_spoken_of_is_queued) {
    EXPECT_EQ(told("delivered\tbob@x.test\n"), "ann@x.test: queued\nbob@x.test: delivered\n");
}

TEST_F(DeliveryWatchTest, when_time_is_over_the_rest_is_still_on_its_way) {
    EXPECT_EQ(told("delivered\tbob@x.test\n", false),
              "ann@x.test: still being delivered\nbob@x.test: delivered\n");
    EXPECT_EQ(status_->exit_code(), 0);
}

TEST_F(DeliveryWatchTest, the_worst_of_several_places_counts) {
    EXPECT_EQ(told("deferred\tbob@x.test\nfailed\tbob@x.test\ndelivered\tbob@x.test\n"
                   "deferred\tann@x.test\ndelivered\tann@x.test\n"),
              "ann@x.test: deferred, waits in the queue\nbob@x.test: failed\n");
}

TEST_F(DeliveryWatchTest, the_server_may_call_this_host_by_another_name) {
    recipients_ = {Address("ann", "host.test"), Address("ann", "x.test")};
    EXPECT_EQ(told("delivered\tann@host.elsewhere.test\nfailed\tann@x.test\n"),
              "ann@host.test: delivered\nann@x.test: failed\n");
}

TEST_F(DeliveryWatchTest, rubbish_is_passed_over) {
    EXPECT_EQ(told("\n\t\t\nwho knows\ndelivered\tstranger@x.test\ndelivered\nfailed\tbob@x.t"),
              "ann@x.test: queued\nbob@x.test: queued\n");
}

TEST_F(DeliveryWatchTest, lines_may_come_in_pieces) {
    std::string text;
    while (text.size() < 30000) text += "said\tsomething that makes the outcomes come in several blocks\n";
    EXPECT_EQ(told(text + "delivered\tann@x.test\ndelivered\tbob@x.test\n"),
              "ann@x.test: delivered\nbob@x.test: delivered\n");
}

TEST_F(DeliveryWatchTest, exit_codes) {
    const struct {
        std::string_view heard;
        int exit_code;
    } rows[] = {
        {"", 0},
        {"deferred\tbob@x.test\t\t451 4.4.1 later\n", 0},
        {"failed\tbob@x.test\t\t550 5.1.1 No such user\n", 67},
        {"failed\tbob@x.test\t\t550 5.1.2 No such domain\n", 68},
        {"failed\tbob@x.test\t\t556 5.1.10 It takes no mail\n", 68},
        {"failed\tbob@x.test\t\t550 5.4.4 No such domain\n", 68},
        {"failed\tbob@x.test\t\t554 5.7.1 Not wanted\n", 69},
        {"failed\tbob@x.test\t\t554\n", 69},
        {"failed\tbob@x.test\n", 69},
        {"failed\tbob@x.test\t\t550 5.1.2 x\nfailed\tann@x.test\t\t550 5.1.1 x\n", 67},
        {"failed\tbob@x.test\t\t550 5.1.1 x\nfailed\tann@x.test\n", 67},
    };
    for (const auto& row : rows) {
        pipe_ = make_pipe();
        EXPECT_EQ(hear(row.heard).exit_code(), row.exit_code) << row.heard;
    }
}

}  // namespace
}  // namespace postoffice
