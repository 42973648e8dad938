#include "postoffice/policy/relaying.h"

#include <fmt/format.h>

namespace postoffice {

bool requires_relay_permission(const Config& config, const Address& address) {
    return !config.access.relay && !config.identity.is_local_domain(address.domain());
}

bool hides_refusal(const Config& config, const Reply& reply) {
    return config.smtp.hide_recipients && refuses_address(reply) && !reply.status.starts_with("5.7.");
}

Reply relaying_denied(const Config& config, const Address& address, std::string_view client) {
    return Reply{550, "5.7.1",
                 fmt::format("relaying denied: <{}> is not in a domain of {}, and {} may not send through it",
                             address.to_string(), config.identity.hostname, client)};
}

}  // namespace postoffice
