#include "postoffice/delivery/inbound_services.h"

#include "postoffice/net/mx.h"

namespace postoffice {

InboundServices::InboundServices(const Config& config, const Spool& spool, const Settings& settings)
    : aliases_(config.routing.aliases),
      users_(config.identity.only_user),
      agents_(settings.spawner, settings.patience, config.local.command_timeout, settings.avoidance),
      files_(config, agents_),
      local_(config, agents_, settings.server_patience),
      router_(config, aliases_, users_, files_, interface_addresses()),
      bouncer_(config, spool, router_),
      deliver_or_queue_(
          spool, local_, bouncer_,
          [notifications = settings.notifications, also = settings.on_queued](const std::string& id) {
              (void)notifications.queued(id);
              if (also) also(id);
          },
          settings.on_total_failure, settings.on_settled) {}

}  // namespace postoffice
