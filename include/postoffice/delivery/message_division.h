// The parts of a queued message: its recipients by destination. Before that, recipients in our domains that
// are not tried for the first time are routed again, since an alias, a delivery file or the configuration may
// have been changed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/delivery/destination_queue.h"
#include "postoffice/delivery/dispatcher_events.h"
#include "postoffice/mail/destination.h"
#include "postoffice/routing/next_hops.h"

namespace postoffice {

class MessageDivision {
  public:
    struct Part {
        std::string account;                    ///< as in DestinationQueue
        std::vector<std::uint32_t> recipients;  ///< indices in the journal
    };
    using Parts = std::map<DestinationKey, Part>;

    /// Keeps the references. `known`: mailboxes that did not answer soon have destinations of their own
    /// there.
    MessageDivision(const Config& config, const DispatcherEvents& events, const DestinationQueues& known)
        : config_(config), events_(events), known_(known), next_hops_(config) {}

    /// The recipients that wait; those at other hosts by the next hop that they have now. Without those at
    /// other hosts, if these have to wait for a queue run: then `is_withheld` is set.
    Parts parts_for_now(const Journal& journal, bool& is_withheld);
    /// The recipients that are routed again first; empty if there are none. They are one part, so that one
    /// process at a time adds recipients to the journal, in the place of the first one's address: a user
    /// whose files are slow to read delays no mail of other users.
    Parts to_route_again(const Journal& journal);
    /// The destination of a mailbox whose agent did not answer soon, and its account.
    std::pair<DestinationKey, std::string> slow_mailbox(const Destination& destination) const;

  private:
    DestinationKey key_of(const Destination& destination, const Address& sender) const;
    bool may_lead_elsewhere(const Recipient& recipient, const Address& sender) const;
    std::string account_for(const Destination& destination) const;
    std::string account_for(const Address& address) const;

    const Config& config_;
    const DispatcherEvents& events_;
    const DestinationQueues& known_;
    NextHops next_hops_;
};

}  // namespace postoffice
