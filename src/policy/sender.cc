#include "postoffice/policy/sender.h"

#include <fmt/format.h>

#include "postoffice/net/mx.h"
#include "postoffice/policy/client.h"

namespace postoffice {
namespace {

bool is_our_domain(const Config& config, const std::string& domain) {
    const auto literal = IpAddress::parse_literal(domain);
    return literal ? is_own_address(*literal) : config.identity.is_local_domain(domain);
}

}  // namespace

std::optional<Reply> check_sender(const Config& config, const Resolver& resolver, const Address& sender) {
    if (!config.access.verify_from || !sender.is_qualified()) return std::nullopt;
    const std::string& domain = sender.domain();
    if (is_our_domain(config, domain))
        return Reply{
            550, "5.7.1",
            fmt::format("<{}> is an address of {}, and you are not a local client; users log in to send",
                        sender.to_string(), config.identity.hostname)};
    if (domain.starts_with('[')) return std::nullopt;  // an address needs no DNS
    // This host counts as well: a domain that it is a backup for leads back here.
    const MxList hosts = find_mail_hosts(resolver, domain, "", {});
    switch (hosts.status) {
        case MxList::Status::found:
        case MxList::Status::loops_back:
            return std::nullopt;
        case MxList::Status::no_host:
            return Reply{553, "5.1.8",
                         fmt::format("mail from <{}> is not accepted: {}", sender.to_string(), hosts.why)};
        case MxList::Status::null_mx:
            return Reply{550, "5.7.27",
                         fmt::format("mail from <{}> is not accepted: {}", sender.to_string(), hosts.why)};
        case MxList::Status::temporary:
            break;
    }
    return Reply{451, "4.4.3",
                 fmt::format("the domain of <{}> cannot be looked up now; please try again later",
                             sender.to_string())};
}

std::optional<Reply> check_daemon(const Config& config, const Address& sender) {
    if (!config.access.nodaemon || !sender.is_null()) return std::nullopt;
    return Reply{550, "5.7.1", fmt::format("{} takes no mail from <>", config.identity.hostname)};
}

}  // namespace postoffice
