// Recipients of a queued message whose address may lead elsewhere by now: the alias, the delivery file, the
// list, the virtual domain or the configuration that led to where the message could not be delivered was
// changed.
#pragma once

#include <cstddef>
#include <optional>

#include "postoffice/delivery/agent_channels.h"
#include "postoffice/delivery/delegated_user_files.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/users.h"

namespace postoffice {

class Rerouting {
  public:
    /// Keeps the reference. `spawner`: is asked for local agents, which read files that are private.
    Rerouting(const Config& config, SpawnerHandle spawner);

    /// Routes the address that recipient `index` came for. nullopt: it still leads there, or where it leads
    /// cannot be said now. Failed: it leads nowhere any more. Delivered: it leads to other places, which have
    /// been added to the journal unless the message is there already; the recipient has its last word with
    /// that. Throws std::system_error if the journal cannot be written.
    std::optional<DeliveryResult> route_again(QueueEntry& entry, std::size_t index);

  private:
    AliasTable aliases_;
    UserDirectory users_;
    AgentChannels agents_;
    DelegatedUserFiles files_;
    Router router_;
};

}  // namespace postoffice
