// The runner's pickup workers: who takes in what, and what becomes of those who watch.
#include "postoffice/delivery/pickup_pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <list>
#include <thread>

#include "postoffice/base/packet.h"

namespace postoffice {
namespace {

constexpr uid_t alice = 1001, bob = 1002;

class PickupPoolTest : public ::testing::Test {
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
        const auto job = receive_struct_now<PickupJob>(worker.end.get());
        if (job.kind != PacketArrival::Kind::packet) return "";
        return job.value.id.str() + (job.value.is_awaited != 0 ? " watched" : "");
    }
    void answer(FakeWorker& worker, const Fd& watch = {}, bool sees_all = false) {
        PickupJobDone done;
        done.submitter_sees_all = sees_all ? 1 : 0;
        std::vector<int> descriptors;
        if (watch) descriptors.push_back(watch.get());
        send_struct(worker.end.get(), done, descriptors);
        EXPECT_TRUE(pool_.serve(worker.channel));
    }

    std::list<FakeWorker> workers_;
    std::vector<std::pair<std::string, StatusWriter>> awaited_;
    PickupPool pool_{
        [this] { return start(); },
        [this](const std::string& id, StatusWriter watch) { awaited_.emplace_back(id, std::move(watch)); }};
};

TEST_F(PickupPoolTest, TakesEachDropInOnce) {
    pool_.add("A", alice);
    pool_.add("A", alice);
    pool_.add("A", alice, true);
    ASSERT_EQ(workers_.size(), 1U);
    EXPECT_EQ(job_of(workers_.front()), "A");
    EXPECT_FALSE(pool_.is_idle());
    EXPECT_FALSE(pool_.is_picking_up_awaited("A"));
    answer(workers_.front());
    EXPECT_TRUE(pool_.is_idle());
    EXPECT_TRUE(awaited_.empty());
    pool_.add("A", alice);
    EXPECT_EQ(job_of(workers_.front()), "A") << "it may have been left in the folder";
}

TEST_F(PickupPoolTest, TellsWhenAWatchedOneIsTakenIn) {
    pool_.add("A", alice, true);
    pool_.add("A", alice, true);
    ASSERT_EQ(workers_.size(), 1U);
    EXPECT_EQ(job_of(workers_.front()), "A watched");
    EXPECT_TRUE(pool_.is_picking_up_awaited("A"));
    EXPECT_FALSE(pool_.is_picking_up_awaited("B"));
    const Pipe pipe = make_pipe();
    answer(workers_.front(), pipe.write_end, true);
    EXPECT_FALSE(pool_.is_picking_up_awaited("A"));
    ASSERT_EQ(awaited_.size(), 1U);
    EXPECT_EQ(awaited_[0].first, "A");
    EXPECT_TRUE(awaited_[0].second);
    EXPECT_TRUE(awaited_[0].second.sees_all());
}

TEST_F(PickupPoolTest, TellsAlsoIfThereIsNothingToWatch) {
    pool_.add("A", alice, true);
    answer(workers_.front());
    pool_.add("B", alice, true);
    workers_.front().end.reset();  // dies of it
    EXPECT_TRUE(pool_.serve(workers_.front().channel));
    ASSERT_EQ(awaited_.size(), 2U);
    for (const auto& [id, watch] : awaited_) EXPECT_FALSE(watch) << id;
    EXPECT_EQ(awaited_[1].first, "B");
}

TEST_F(PickupPoolTest, WhoWaitsForAWorkerKeepsHisWatch) {
    for (const char* id : {"A", "B", "C", "D", "E"}) pool_.add(id, alice, *id == 'E');
    ASSERT_EQ(workers_.size(), 4U);
    EXPECT_EQ(job_of(workers_.front()), "A");
    EXPECT_FALSE(pool_.is_picking_up_awaited("E"));
    answer(workers_.front());
    EXPECT_EQ(job_of(workers_.front()), "E watched");
    EXPECT_TRUE(pool_.is_picking_up_awaited("E"));
    pool_.stop();
    pool_.add(std::string(100, 'x'), alice, true);  // no id of ours
    EXPECT_EQ(workers_.size(), 4U);
}

TEST_F(PickupPoolTest, EachUserHasATurnHoweverManyDropsAnotherHas) {
    for (int i = 0; i < 20; ++i) pool_.add("A" + std::to_string(i), alice);
    pool_.add("B", bob);
    ASSERT_EQ(workers_.size(), PickupPool::most_workers);
    for (FakeWorker& worker : workers_) EXPECT_EQ(job_of(worker).front(), 'A');
    std::string next;
    for (int i = 0; i < 2; ++i) {
        answer(workers_.front());
        next += job_of(workers_.front()).front();
    }
    EXPECT_NE(next.find('B'), std::string::npos) << next;
}

// A locked mailbox of alice's, say, and a dozen messages to it.
TEST_F(PickupPoolTest, SlowDropsOfOneUserLeaveWorkersToOthers) {
    for (int i = 0; i < 20; ++i) pool_.add("A" + std::to_string(i), alice);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // from now on these are slow
    pool_.end_idle_workers();
    EXPECT_EQ(workers_.size(), PickupPool::most_workers) << "alice has her share";
    pool_.add("B", bob);
    ASSERT_EQ(workers_.size(), PickupPool::most_workers + 1);
    EXPECT_EQ(job_of(workers_.back()), "B");
}

}  // namespace
}  // namespace postoffice
