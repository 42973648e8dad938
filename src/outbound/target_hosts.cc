#include "postoffice/outbound/target_hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/next_hops.h"

namespace postoffice {
namespace {

DeliveryResult no_mail_host(const MxList& list) {
    switch (list.status) {
        case MxList::Status::no_host:
            return failed("5.1.2", list.why);
        case MxList::Status::loops_back:
            return failed("5.4.6", list.why);
        case MxList::Status::null_mx: {
            DeliveryResult result = failed("5.1.10", list.why);
            result.reply.code = 556;  // RFC 7505 section 4.1
            return result;
        }
        case MxList::Status::found:
        case MxList::Status::temporary:
            break;
    }
    return deferred("4.4.3", list.why);
}

/// Finds the hosts of each kind of next hop.
class Finder {
  public:
    Finder(const Config& config, const Resolver& resolver) : config_(config), resolver_(resolver) {}

    TargetHosts operator()(const NextHop::MailHosts& next_hop) const {
        const std::uint16_t port = config_.remote.port;
        MxList list = mail_hosts(next_hop.domain, port);
        TargetHosts found{{}, no_mail_host(list)};
        if (list.status == MxList::Status::loops_back && is_relay_domain(next_hop.domain))
            found.result =
                deferred("4.3.5", fmt::format("{} is in relay-domains, but its best mail host is this host",
                                              printable(next_hop.domain)));
        add(list.hosts, port, next_hop.domain, found);
        return found;
    }
    /// Later ones are looked up only where those before them leave some attempts.
    TargetHosts operator()(const NextHop::Relays& relays) const {
        TargetHosts found{{}, deferred("4.3.5", "no relay host is set")};
        std::size_t addresses = 0;
        for (const RelayHost& relay : relays.hosts) {
            if (addresses >= enough_addresses) break;
            const std::size_t first = found.hosts.size();
            add_relay(relay, found);
            for (std::size_t i = first; i < found.hosts.size(); ++i) {
                found.hosts[i].speaks_lmtp = relays.speak_lmtp;
                found.hosts[i].relay = relay;
                addresses += found.hosts[i].host.addresses.size();
            }
        }
        return found;
    }
    TargetHosts operator()(const NextHop::LmtpSocket& socket) const {
        return {{{MailHost{socket.path, 0, {}}, 0, "", {}, true, socket.path}}};
    }
    TargetHosts operator()(const NextHop::Alias& alias) const {
        return {{}, deferred("4.4.4", "Leads to the alias " + alias.name + " now")};
    }
    TargetHosts operator()(const NextHop::Discard&) const {
        return {{}, delivered("Discarded, as the routes say")};
    }
    TargetHosts operator()(const NextHop::Refusal& refusal) const {
        using Outcome = DeliveryResult::Outcome;
        const bool is_final = refusal.reply.is_permanent();
        return {{}, {is_final ? Outcome::failed : Outcome::deferred, refusal.reply, ""}};
    }
    TargetHosts operator()(const NextHop::Unknown& unknown) const {
        return {{}, deferred("4.3.5", unknown.why)};
    }

  private:
    static void add(std::vector<MailHost>& hosts, std::uint16_t port, const std::string& next_hop,
                    TargetHosts& found) {
        for (MailHost& host : hosts) found.hosts.push_back({std::move(host), port, next_hop});
    }

    /// This host takes the mail of others for it. Not known now is as good as yes: mail waits.
    bool is_relay_domain(const std::string& domain) const try {
        NextHops next_hops(config_);
        next_hops.refresh();
        return next_hops.is_relay_domain(domain);
    } catch (const FormatError&) {
        return true;
    }

    MxList mail_hosts(const std::string& domain, std::uint16_t port) const {
        return find_mail_hosts(resolver_, domain, config_.identity.hostname, own_addresses(port));
    }

    void add_relay(const RelayHost& relay, TargetHosts& found) const {
        const auto is_broken = [&](const std::string& status, const std::string& why) {
            found.result = deferred(status, fmt::format("relay host {}: {}", relay.to_string(), why));
        };
        const std::uint16_t port = relay.port != 0 ? relay.port : config_.remote.port;
        if (relay.uses_mx) {
            MxList list = mail_hosts(relay.host, port);
            if (list.status != MxList::Status::found) is_broken("4.4.3", list.why);
            return add(list.hosts, port, relay.host, found);
        }
        MailHost host{relay.host, 0, {}, true};
        if (relay.address) {
            host.addresses.push_back(*relay.address);
            host.name = relay.address->to_literal();
        } else {
            AddressLookup lookup = resolver_.addresses(relay.host);
            if (lookup.status != DnsStatus::found) return is_broken("4.4.3", lookup.why);
            host.addresses = std::move(lookup.addresses);
            host.has_secure_addresses = lookup.is_secure;
            host.canonical_name = std::move(lookup.name);
        }
        const std::vector<IpAddress> own = own_addresses(port);
        std::erase_if(host.addresses, [&own](const IpAddress& address) {
            return address.is_unspecified() || std::find(own.begin(), own.end(), address) != own.end();
        });
        if (host.addresses.empty()) return is_broken("4.3.5", "is this host itself");
        found.hosts.push_back({std::move(host), port, relay.host});
    }

    /// Addresses at which this port is our own daemon: mail that is sent there would come back. On another
    /// port the same addresses may well belong to another mail server.
    std::vector<IpAddress> own_addresses(std::uint16_t port) const {
        const bool is_ours = std::any_of(config_.network.listen.begin(), config_.network.listen.end(),
                                         [port](const ListenAddress& listen) { return listen.port == port; });
        if (!is_ours) return {};
        return interface_addresses();
    }

    const Config& config_;
    const Resolver& resolver_;
};

}  // namespace

Resolver bounded_resolver(const Config& config, const Resolver& resolver) {
    const DnssecTrust trust = config.network.dnssec;
    const bool is_trusted =
        trust == DnssecTrust::all || (trust == DnssecTrust::loopback && resolver.trusts_servers());
    return resolver.until(Deadline::after(config.remote.lookup_timeout), most_target_questions)
        .trusting(is_trusted);
}

TargetHosts find_target_hosts(const Config& config, const Resolver& resolver, const NextHop& next_hop) {
    const Resolver bounded = bounded_resolver(config, resolver);
    return std::visit(Finder(config, bounded), next_hop.where);
}

}  // namespace postoffice
