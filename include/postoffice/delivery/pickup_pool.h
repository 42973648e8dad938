// The runner's pickup workers: local submissions are parsed in processes of their own, because their text
// comes from any user of the host.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <unordered_set>
#include <vector>

#include "postoffice/base/fair_queue.h"
#include "postoffice/base/worker.h"
#include "postoffice/delivery/queue_job.h"
#include "postoffice/queue/delivery_status.h"

namespace postoffice {

class PickupPool {
  public:
    /// `start`: forks one worker that serves PickupJobs. `on_awaited`: called with each watched drop that a
    /// worker is done with, and the watch if there may be more to tell.
    PickupPool(std::function<Worker()> start,
               std::function<void(const std::string& id, StatusWriter status)> on_awaited);

    /// Takes in a drop of `owner`, now or when a worker is free: each owner has its turn. Known ids are
    /// ignored: a watcher left the FIFO before the drop could be found.
    void add(const std::string& id, uid_t owner, bool is_awaited = false);
    /// A worker has it, and on_awaited will be called.
    bool is_picking_up_awaited(const std::string& id) const;
    bool is_idle() const;
    /// No new work: what waits stays in drop/.
    void stop();

    void add_poll_entries(std::vector<pollfd>& entries) const;
    /// Handles the answer of the worker with this channel; false if it is none of ours.
    bool serve(int channel);
    /// Also starts workers in place of those that have been busy for long. To be called every second.
    void end_idle_workers();

    /// Workers that are not slow, and of one owner's drops; a worker is slow when a drop takes over a second.
    static constexpr std::size_t most_workers = 4;
    static constexpr std::size_t most_in_all = 12;

  private:
    using Clock = std::chrono::steady_clock;
    struct Member {
        Worker worker;
        std::string id{};  ///< empty while idle
        uid_t owner = 0;
        bool is_awaited = false;
        Clock::time_point since{};
    };
    struct Waiting {
        PickupJob job;
        uid_t owner;
    };
    void dispatch();
    std::list<Member>::iterator free_member();
    bool has_share(uid_t owner) const;
    void hand_over(std::list<Member>::iterator member, const Waiting& next);

    std::function<Worker()> start_;
    std::function<void(const std::string& id, StatusWriter status)> on_awaited_;
    FairQueue<uid_t, Waiting> waiting_;
    std::unordered_set<std::string> known_;  ///< waiting or being taken in
    std::list<Member> members_;
};

}  // namespace postoffice
