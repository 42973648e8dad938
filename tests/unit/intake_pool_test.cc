// The runner's intake workers: who takes in what, and what becomes of those who watch.
#include "postoffice/delivery/intake_pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <list>
#include <thread>

#include "postoffice/base/packet.h"

namespace postoffice {
namespace {

constexpr uid_t alice = 1001, bob = 1002;

class IntakePoolTest : public ::testing::Test {
  protected:
    Worker start() {
        SocketPair pair = packet_socket_pair();
        Worker worker;
        worker.channel = std::move(pair.theirs);
        workers_.push_back({std::move(pair.ours), worker.channel.get()});
        return worker;
    }
    struct FakeWorker {
        Fd end;
        int channel;  ///< of the pool's
    };

    /// "ID", "ID watched" or, if there is no job for this worker, "".
    std::string job_of(FakeWorker& worker) {
        const auto job = receive_struct_now<IntakeJob>(worker.end.get());
        if (job.kind != Arrival::Kind::packet) return "";
        return job.value.id.str() + (job.value.is_watched != 0 ? " watched" : "");
    }
    void answer(FakeWorker& worker, const Fd& watch = {}, bool sees_all = false) {
        IntakeJobDone done;
        done.watcher_sees_all = sees_all ? 1 : 0;
        std::vector<int> descriptors;
        if (watch) descriptors.push_back(watch.get());
        send_struct(worker.end.get(), done, descriptors);
        EXPECT_TRUE(pool_.serve(worker.channel));
    }

    std::list<FakeWorker> workers_;
    std::vector<std::pair<std::string, Watch>> watched_;
    IntakePool pool_{
        [this] { return start(); },
        [this](const std::string& id, Watch watch) { watched_.emplace_back(id, std::move(watch)); }};
};

TEST_F(IntakePoolTest, TakesEachDropInOnce) {
    pool_.add("A", alice);
    pool_.add("A", alice);
    pool_.add("A", alice, true);
    ASSERT_EQ(workers_.size(), 1U);
    EXPECT_EQ(job_of(workers_.front()), "A");
    EXPECT_FALSE(pool_.is_idle());
    EXPECT_FALSE(pool_.is_taking_in_watched("A"));
    answer(workers_.front());
    EXPECT_TRUE(pool_.is_idle());
    EXPECT_TRUE(watched_.empty());
    pool_.add("A", alice);
    EXPECT_EQ(job_of(workers_.front()), "A") << "it may have been left in the folder";
}

TEST_F(IntakePoolTest, TellsWhenAWatchedOneIsTakenIn) {
    pool_.add("A", alice, true);
    pool_.add("A", alice, true);
    ASSERT_EQ(workers_.size(), 1U);
    EXPECT_EQ(job_of(workers_.front()), "A watched");
    EXPECT_TRUE(pool_.is_taking_in_watched("A"));
    EXPECT_FALSE(pool_.is_taking_in_watched("B"));
    const Pipe pipe = make_pipe();
    answer(workers_.front(), pipe.write_end, true);
    EXPECT_FALSE(pool_.is_taking_in_watched("A"));
    ASSERT_EQ(watched_.size(), 1U);
    EXPECT_EQ(watched_[0].first, "A");
    EXPECT_TRUE(watched_[0].second);
    EXPECT_TRUE(watched_[0].second.sees_all());
}

TEST_F(IntakePoolTest, TellsAlsoIfThereIsNothingToWatch) {
    pool_.add("A", alice, true);
    answer(workers_.front());
    pool_.add("B", alice, true);
    workers_.front().end.reset();  // dies of it
    EXPECT_TRUE(pool_.serve(workers_.front().channel));
    ASSERT_EQ(watched_.size(), 2U);
    for (const auto& [id, watch] : watched_) EXPECT_FALSE(watch) << id;
    EXPECT_EQ(watched_[1].first, "B");
}

TEST_F(IntakePoolTest, WhoWaitsForAWorkerKeepsHisWatch) {
    for (const char* id : {"A", "B", "C", "D", "E"}) pool_.add(id, alice, *id == 'E');
    ASSERT_EQ(workers_.size(), 4U);
    EXPECT_EQ(job_of(workers_.front()), "A");
    EXPECT_FALSE(pool_.is_taking_in_watched("E"));
    answer(workers_.front());
    EXPECT_EQ(job_of(workers_.front()), "E watched");
    EXPECT_TRUE(pool_.is_taking_in_watched("E"));
    pool_.stop();
    pool_.add(std::string(100, 'x'), alice, true);  // no id of ours
    EXPECT_EQ(workers_.size(), 4U);
}

TEST_F(IntakePoolTest, EachUserHasATurnHoweverManyDropsAnotherHas) {
    for (int i = 0; i < 20; ++i) pool_.add("A" + std::to_string(i), alice);
    pool_.add("B", bob);
    ASSERT_EQ(workers_.size(), IntakePool::most_workers);
    for (FakeWorker& worker : workers_) EXPECT_EQ(job_of(worker).front(), 'A');
    std::string next;
    for (int i = 0; i < 2; ++i) {
        answer(workers_.front());
        next += job_of(workers_.front()).front();
    }
    EXPECT_NE(next.find('B'), std::string::npos) << next;
}

// A locked mailbox of alice's, say, and a dozen messages to it.
TEST_F(IntakePoolTest, SlowDropsOfOneUserLeaveWorkersToOthers) {
    for (int i = 0; i < 20; ++i) pool_.add("A" + std::to_string(i), alice);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // from now on these are slow
    pool_.end_idle_workers();
    EXPECT_EQ(workers_.size(), IntakePool::most_workers) << "alice has her share";
    pool_.add("B", bob);
    ASSERT_EQ(workers_.size(), IntakePool::most_workers + 1);
    EXPECT_EQ(job_of(workers_.back()), "B");
}

}  // namespace
}  // namespace postoffice
