// The runner's intake workers: local submissions are parsed in processes of their own, because their text
// comes from any user of the host.
#pragma once

#include <poll.h>

#include <deque>
#include <functional>
#include <list>
#include <string>
#include <unordered_set>
#include <vector>

#include "postoffice/base/worker.h"
#include "postoffice/delivery/queue_job.h"
#include "postoffice/mail/watch.h"

namespace postoffice {

class IntakePool {
  public:
    /// `start`: forks one worker that serves IntakeJobs. `on_watched`: called with each watched drop that a
    /// worker is done with, and the watch if there may be more to tell.
    IntakePool(std::function<Worker()> start,
               std::function<void(const std::string& id, Watch watch)> on_watched);

    /// Takes in a drop, now or when a worker is free. Known ids are ignored: who watches one left his FIFO
    /// before it could be found.
    void add(const std::string& id, bool is_watched = false);
    /// A worker has it, and on_watched will be called.
    bool is_taking_in_watched(const std::string& id) const;
    bool is_idle() const;
    /// No new work: what waits stays in drop/.
    void stop();

    void add_poll_entries(std::vector<pollfd>& entries) const;
    /// Handles the answer of the worker with this channel; false if it is none of ours.
    bool serve(int channel);
    void end_idle_workers();

  private:
    struct Member {
        Worker worker;
        std::string id;  ///< empty while idle
        bool is_watched = false;
    };
    void dispatch();

    std::function<Worker()> start_;
    std::function<void(const std::string& id, Watch watch)> on_watched_;
    std::deque<IntakeJob> waiting_;
    std::unordered_set<std::string> known_;  ///< waiting or being taken in
    std::list<Member> members_;
};

}  // namespace postoffice
