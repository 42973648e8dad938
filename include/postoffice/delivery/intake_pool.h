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

namespace postoffice {

class IntakePool {
  public:
    /// `start`: forks one worker that serves IntakeJobs.
    explicit IntakePool(std::function<Worker()> start);

    /// Takes in a drop, now or when a worker is free. Known ids are ignored.
    void add(const std::string& id);
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
    };
    void dispatch();

    std::function<Worker()> start_;
    std::deque<std::string> waiting_;
    std::unordered_set<std::string> known_;  ///< waiting or being taken in
    std::list<Member> members_;
};

}  // namespace postoffice
