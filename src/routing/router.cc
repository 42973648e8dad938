#include "postoffice/routing/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "expansion.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/config/srs_key.h"
#include "postoffice/mail/srs.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/users.h"

namespace postoffice {

Router::Router(const Config& config, AliasTable& aliases, UserDirectory& users, UserFiles& files,
               std::vector<IpAddress> own_addresses)
    : config_(config),
      aliases_(aliases),
      users_(users),
      files_(files),
      domains_(config.vhost.dir),
      next_hops_(config),
      canonical_(config, "canonical", config.routing.canonical, AddressMap::Extension::kept),
      pool_(config),
      own_addresses_(std::move(own_addresses)) {}

bool Router::is_on_host(const Address& address) const {
    const std::string& domain = address.domain();
    if (!address.is_qualified() || config_.identity.is_local_domain(domain)) return true;
    if (domain.front() != '[') return false;
    const auto literal = IpAddress::parse_literal(domain);
    return literal &&
           std::find(own_addresses_.begin(), own_addresses_.end(), *literal) != own_addresses_.end();
}

/// The host's own domains come first.
const VirtualDomain* Router::virtual_domain_of(const Address& address) const {
    return is_on_host(address) ? nullptr : domains_.find(address.domain());
}

bool Router::is_ours(const Address& address) const {
    return is_on_host(address) || domains_.find(address.domain()) != nullptr;
}

bool Router::serves(const Address& address) {
    domains_.refresh();
    return is_ours(address);
}

bool Router::is_for_all(const Address& address) {
    next_hops_.refresh();
    return serves(address) || next_hops_.is_relay_domain(address.domain());
}

/// What the routes refuse, discard or give to an alias is known while the client still has the message. Else
/// the queue asks for the next hop, at each attempt.
void Router::route_elsewhere(Route& route, const Address& recipient, bool in_full) {
    const NextHops::Answer answer = next_hops_.find(recipient, Address());
    if (answer.next_hop.is<NextHop::Alias>()) {
        aliases_.refresh();
        return Expansion(*this, route, recipient, in_full).expand_recipient();
    }
    if (!answer.file.empty())
        route.steps.push_back(
            {fmt::format("route {} {}", answer.key, answer.value), "", answer.file, answer.line});
    if (const auto* refusal = answer.next_hop.as<NextHop::Refusal>()) {
        route.status = refusal->reply.is_permanent() ? Route::Status::unknown : Route::Status::temporary;
        route.refusal = refusal->reply;
    } else if (answer.next_hop.is<NextHop::Discard>()) {
        route.hops.push_back({{Destination::Discard{}, recipient}, {}, false});
    } else {
        route.hops.push_back({{Destination::Remote{}, recipient}, {}, false});
    }
}

Address Router::canonical(const Address& address) {
    canonical_.refresh();
    const auto entry = canonical_.find(address);
    return entry ? entry->address : address;
}

/// Before anything else is looked up, as cleanup(8) of Postfix has it.
Address Router::canonical_recipient(Route& route, const Address& recipient) {
    canonical_.refresh();
    const auto entry = canonical_.find(recipient.qualified(config_.identity.hostname));
    if (!entry) return recipient;
    route.steps.push_back(
        {.text = fmt::format("canonical {} -> {}", recipient.to_string(), entry->address.to_string()),
         .file = canonical_.file(),
         .line = entry->line});
    return entry->address;
}

Route Router::route(const Address& recipient, bool in_full) {
    Route route;
    std::string detail, owner;
    try {
        domains_.refresh();
        next_hops_.refresh();
        const Address address = canonical_recipient(route, recipient);
        route.is_local = is_ours(address);
        route.is_for_all = is_ours(recipient) || next_hops_.is_relay_domain(recipient.domain());
        if (route.is_local && is_of_srs(address)) return route_srs(address);
        if (route.is_local) {
            aliases_.refresh();
            Expansion(*this, route, address, in_full).expand_recipient();
        } else {
            route_elsewhere(route, address, in_full);
        }
        if (route.status != Route::Status::accepted)
            route.refusal.text = recipient.to_string() + ": " + route.refusal.text;
        return route;
    } catch (const RouteTemporary& temporary) {
        route.refusal = temporary.reply;
        route.refusal.text = recipient.to_string() + ": " + route.refusal.text;
        detail = temporary.detail;
        owner = temporary.owner;
    } catch (const std::exception& error) {
        route.refusal = {451, "4.3.0", recipient.to_string() + ": cannot be looked up now"};
        detail = in_plain_words(error);
    }
    route.status = Route::Status::temporary;
    route.hops.clear();
    route.skipped_members.clear();
    route.steps.push_back({detail, owner});
    log_event("", "route-deferred", {{"to", "<" + recipient.to_string() + ">"}, {"reason", detail}});
    return route;
}

bool Router::is_of_srs(const Address& recipient) const {
    return !config_.routing.srs_key.empty() && is_on_host(recipient) && Srs::is_srs(recipient);
}

/// A bounce of mail that this host forwarded goes on to the sender.
Route Router::route_srs(const Address& recipient) {
    const auto secrets = read_srs_key(config_.routing.srs_key);
    if (!secrets) throw RouteTemporary{{451, "4.3.5", "cannot be looked up now"}, secrets.problem(), ""};
    const auto original = Srs(*secrets).original(recipient, now_unix());
    Route route;
    route.is_local = route.is_for_all = true;
    if (!original) {
        route.status = Route::Status::unknown;
        route.refusal = {550, "5.1.1", recipient.to_string() + ": " + original.problem()};
        return route;
    }
    route.hops.push_back({{Destination::Remote{}, *original}, {}, false});
    route.steps.push_back({"the sender of forwarded mail (SRS): " + original->to_string(), ""});
    return route;
}

std::optional<Unavailable> Router::why_unavailable(const Route& route) try {
    if (route.status != Route::Status::accepted || !route.is_local || route.hops.size() != 1)
        return std::nullopt;
    const Destination& destination = route.hops.front().destination;
    if (const auto* mailbox = destination.as<Destination::VirtualMailbox>()) {
        const VirtualDomain* domain = domains_.find(mailbox->domain);
        if (domain == nullptr || config_.local.transport) return std::nullopt;
        return files_.virtual_mailbox(mailbox->user, *domain).known();
    }
    if (postoffice::virtual_domain_of(destination).empty() && !may_be_unavailable(destination, config_))
        return std::nullopt;
    const auto account = account_for(destination);
    return account ? postoffice::why_unavailable(destination, *account, config_) : std::nullopt;
} catch (const std::exception&) {
    return std::nullopt;  // the delivery will tell
}

/// The account that a program is run as, or a file or a mailbox of this host is written as.
std::optional<Account> Router::account_for(const Destination& destination) {
    if (const std::string user = account_of(destination); !user.empty()) return users_.find(user);
    if (!users_.only_user().empty()) return users_.find(users_.only_user());
    const std::string domain_name = postoffice::virtual_domain_of(destination);
    const VirtualDomain* domain = domain_name.empty() ? nullptr : domains_.find(domain_name);
    return find_login(domain != nullptr ? domain->owner : config_.routing.alias_user);
}

}  // namespace postoffice
