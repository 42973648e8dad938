#include "postoffice/delivery/reception.h"

#include "postoffice/delivery/arrivals.h"
#include "postoffice/net/mx.h"

namespace postoffice {

Reception::Reception(const Config& config, const Spool& spool, const Settings& settings)
    : aliases_(config.aliases),
      users_(config.only_user),
      agents_(settings.spawner, settings.patience, config.command_timeout, settings.avoidance),
      files_(config, agents_),
      local_(config, agents_, settings.server_patience),
      router_(config, aliases_, users_, files_, interface_addresses()),
      bouncer_(config, spool, router_),
      acceptance_(
          spool, local_, bouncer_,
          [arrivals = settings.arrivals, also = settings.on_queued](const std::string& id) {
              announce_arrival(arrivals, id);
              if (also) also(id);
          },
          settings.untaken, settings.on_settled) {}

}  // namespace postoffice
