// Local submissions: files in drop/ become messages, with the checks that a client's mail gets. The submitter
// is the owner of the file, as the kernel says; nothing that stands in the file is trusted.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/content/scanner.h"
#include "postoffice/delivery/queue_notifications.h"
#include "postoffice/local/spawner_handle.h"
#include "postoffice/queue/acceptor.h"
#include "postoffice/queue/delivery_status.h"
#include "postoffice/queue/drop.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/router.h"

namespace postoffice {

class CheckedContent;
class SubmissionFilters;

class Pickup {
  public:
    /// Keeps the references.
    Pickup(const Config& config, const Spool& spool, Router& router, Acceptor& acceptor,
           std::function<void(const std::string&)> on_queued);
    ~Pickup();

    /// It is asked about each message from now on, with av=.
    void set_scanner(ScannerHandle scanner) { scanner_ = scanner; }

    enum class Outcome {
        taken,      ///< delivered, queued or refused for good; the drop is gone
        try_again,  ///< still in drop/
    };
    /// `status`: of a submitter that left a FIFO beside the drop; closed if that is not its owner. Does not
    /// throw.
    Outcome pick_up(const std::string& id, StatusWriter& status);

  private:
    struct Routed {
        Envelope accepted;
        Envelope refused;
        Reply refusal;  ///< of the last one that was refused
    };
    Routed route(const Drop& drop);
    Outcome accept_drop(const std::string& id, Drop& drop, const StatusWriter& status);
    Outcome filter_and_accept(const std::string& id, Routed& routed, Message& message,
                              const StatusWriter& status);
    Outcome accept(const std::string& id, Routed& routed, CheckedContent& content,
                   const StatusWriter& status);
    Outcome give_up(const std::string& id, Routed& routed, Message& message, const Reply& reply,
                    const StatusWriter& status);
    Envelope envelope_of(const Drop& drop) const;
    Outcome refuse(const std::string& id, Envelope envelope, Message& message, const Reply& reply,
                   const StatusWriter& status);
    Outcome set_aside(const std::string& id, const std::string& problem) const;
    bool is_rewritten(const Drop& drop) const;
    Address sender_of(const Drop& drop) const;
    std::string warning_for(const Drop& drop) const;

    const Config& config_;
    const Spool& spool_;
    Router& router_;
    Acceptor& acceptor_;
    std::function<void(const std::string&)> on_queued_;
    std::unique_ptr<SubmissionFilters> filters_;  ///< null: there are none
    ScannerHandle scanner_;
};

/// By which a pickup worker reaches other processes.
struct PickupHandles {
    SpawnerHandle spawner;
    QueueNotificationWriter notifications;  ///< of queued messages
    ScannerHandle scanner;
};

/// A pickup worker: serves PickupJobs from `channel` until the runner closes it. `show`: is called with what
/// became of recipients whose mailboxes took the message at once. Returns the exit status.
int run_pickup_worker(const Config& config, Fd channel, const PickupHandles& handles,
                      const std::function<void(const std::string&)>& show);

}  // namespace postoffice
