// Taking in local submissions: drop/ files become messages, with the checks that a client's mail gets. Who
// submitted one is the owner of the file, which the kernel vouches for; everything in it is hearsay.
#pragma once

#include <functional>
#include <string>

#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/queue/acceptance.h"
#include "postoffice/queue/drop.h"
#include "postoffice/queue/spool.h"
#include "postoffice/queue/watch.h"
#include "postoffice/routing/router.h"

namespace postoffice {

class Intake {
  public:
    /// Keeps the references.
    Intake(const Config& config, const Spool& spool, Router& router, Acceptor& acceptor,
           std::function<void(const std::string&)> on_queued);

    enum class Outcome {
        taken,      ///< delivered, queued or refused for good; the drop is gone
        try_again,  ///< still in drop/
    };
    /// `watch`: of who left a FIFO beside the drop; closed if he is not its owner. Does not throw.
    Outcome take(const std::string& id, Watch& watch);

  private:
    Outcome take_in(const std::string& id, Drop& drop, const Watch& watch);
    Envelope envelope_of(const Drop& drop) const;
    Outcome refuse(const std::string& id, Envelope envelope, Message& message, const Reply& reply,
                   const Watch& watch);
    Address sender_of(const Drop& drop) const;
    std::string warning_for(const Drop& drop) const;

    const Config& config_;
    const Spool& spool_;
    Router& router_;
    Acceptor& acceptor_;
    std::function<void(const std::string&)> on_queued_;
};

/// An intake worker: serves IntakeJobs from `channel` until the runner closes it. `arrivals`: where queued
/// ids are told. `show`: hears what became of recipients whose mailboxes took the message at once. Returns
/// the exit status.
int run_intake_worker(const Config& config, Fd channel, int spawner, int arrivals,
                      const std::function<void(const std::string&)>& show);

}  // namespace postoffice
