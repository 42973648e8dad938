// DEBUG: the state of the server for its administrator. Offered with `debug` alone, and only to this host and
// trusted ones: it shows internals. No passwords and no keys; of DNS lists the number alone, because the name
// of a list that is paid for may contain a key.
#include <fmt/format.h>

#include "postoffice/base/disk.h"
#include "postoffice/config/build.h"
#include "postoffice/net/tls.h"
#include "postoffice/policy/hosts_access.h"
#include "postoffice/policy/pam.h"
#include "verb.h"

namespace postoffice {
namespace {

std::string name_of(const UnwantedMail& option) {
    switch (option.action) {
        case UnwantedMail::Action::bounce:
            return "bounce";
        case UnwantedMail::Action::accept:
            return "accept";
        case UnwantedMail::Action::folder:
            return "folder:" + option.folder;
    }
    return "";
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
    return text;
}

std::string joined(const std::vector<IpNetwork>& networks) {
    std::vector<std::string> words;
    for (const IpNetwork& network : networks) words.push_back(network.to_string());
    return joined(words);
}

std::string joined(const HostList& hosts) {
    const char* comma = hosts.networks.empty() || hosts.names.empty() ? "" : ",";
    return joined(hosts.networks) + comma + joined(hosts.names);
}

std::string ports(const Config& config) {
    std::vector<std::string> all;
    for (const ListenAddress& listen : config.network.listen)
        all.push_back(fmt::format("{}{}{}", listen.to_string(), listen.tls ? " tls" : "",
                                  listen.submission ? " submission" : ""));
    return joined(all);
}

/// Whether mail would be taken now.
std::string health(const Config& config) {
    try {
        const std::uint64_t free = disk::free_space(config.queue.dir);
        return fmt::format("{}, {} octets free in the spool", free < config.queue.minfree ? "full" : "ok",
                           free);
    } catch (const std::system_error& error) {
        return error.what();
    }
}

std::string envelope(const Transaction& transaction) {
    if (!transaction.is_open()) return "none";
    return fmt::format("from <{}>, {} recipients, {} refused", transaction.sender().to_string(),
                       transaction.recipient_count(), transaction.refused_count());
}

/// "name: value" on lines of their own.
class Lines {
  public:
    template <class Value>
    void add(std::string_view name, const Value& value) {
        text_ += fmt::format("\n{}: {}", name, value);
    }
    void add(std::string_view name, bool value) { add(name, std::string_view(value ? "yes" : "no")); }
    void add(std::string_view name, Seconds value) { add(name, duration_text(value)); }
    void add(std::string_view name, const RateLimit& limit) {
        add(name, fmt::format("{} in {}", limit.most, duration_text(limit.window)));
    }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

void add_session(Lines& lines, Dialogue& dialogue) {
    lines.add("host", dialogue.config().identity.hostname);
    lines.add("health", health(dialogue.config()));
    lines.add("client", dialogue.client());
    lines.add("helo", dialogue.state.helo.str());
    lines.add("user", dialogue.state.user.str());
    lines.add("protocol", dialogue.protocol());
    lines.add("envelope", envelope(dialogue.transaction));
    lines.add("PAM", has_pam);
    lines.add("tcp wrappers", std::string_view(has_libwrap ? "libwrap" : "none"));
    lines.add("TLS", std::string_view(dialogue.services.tls != nullptr ? "offered"
                                      : tls_is_built_in()              ? "without certificate"
                                                                       : "none"));
    lines.add("audit", dialogue.is_audited());
}

void add_limits(Lines& lines, const Config& config) {
    lines.add("listen", ports(config));
    lines.add("msp", config.network.submission_port);
    lines.add("clients", config.limits.clients);
    lines.add("client-connections", config.limits.client_connections);
    lines.add("load", config.limits.load);
    lines.add("size", config.limits.size);
    lines.add("minfree", config.queue.minfree);
    lines.add("hops", config.limits.hops);
    lines.add("recipients", config.limits.recipients);
    lines.add("timeout", config.limits.timeout);
    lines.add("coal", config.limits.coal);
    lines.add("coal-command", config.limits.coal_command);
}

void add_policy(Lines& lines, const Config& config) {
    lines.add("trusted", joined(config.access.trusted));
    lines.add("proxy", joined(config.network.proxies));
    lines.add("forbidden", name_of(config.access.forbidden));
    lines.add("spam", name_of(config.access.spam));
    lines.add("relay", config.access.relay);
    lines.add("localmx", config.access.localmx);
    lines.add("paranoid", config.access.paranoid);
    lines.add("dnscheck", config.access.dnscheck);
    lines.add("checkhelo", config.access.checkhelo);
    lines.add("verify-from", config.access.verify_from);
    lines.add("nodaemon", config.access.nodaemon);
    lines.add("strict-addresses", config.smtp.strict_addresses);
    lines.add("dnsbl", config.access.dnsbl.size());
    lines.add("dnswl", config.access.dnswl.size());
    lines.add("greylist", config.greylist.enabled);
    lines.add("greylist-from", config.greylist.from);
    lines.add("delay", config.greylist.delay);
}

/// "connected" and the like are of this session: filters are not asked before its first message.
void add_filters(Lines& lines, const Dialogue& dialogue) {
    lines.add("safe", dialogue.config().filters.safe);
    if (dialogue.filters != nullptr)
        for (const std::string& state : dialogue.filters->states()) lines.add("filter", state);
    else
        for (const FilterSettings& filter : dialogue.config().filters.list)
            lines.add("filter", filter.place.to_string() + ": not connected");
}

void add_scanner(Lines& lines, const Dialogue& dialogue) {
    const std::string& program = dialogue.config().access.av;
    if (program.empty()) return;
    lines.add("av", program + ": " + (dialogue.last_scan.empty() ? "not asked yet" : dialogue.last_scan));
}

void add_policy_services(Lines& lines, const Dialogue& dialogue) {
    if (dialogue.services.policies == nullptr) return;
    for (const PolicyClient& service : dialogue.services.policies->all())
        lines.add("policy-service",
                  fmt::format("{}{}, {}", service.name(), service.is_connected() ? " connected" : "",
                              service.last_result()));
}

void add_delivery(Lines& lines, const Config& config) {
    for (const UserMap& map : config.routing.usermaps)
        lines.add("usermap", map.pattern + ":" + joined(map.targets));
    lines.add("escape-from", config.local.escape_from);
    lines.add("dot-lock", config.local.dot_lock);
    lines.add("immediate", config.queue.immediate);
    lines.add("relay-host", to_text(config.remote.relay_hosts));
    lines.add("qreturn", config.queue.qreturn);
}

}  // namespace

bool offers_debug(Dialogue& dialogue) {
    return dialogue.config().smtp.debug && dialogue.client_is_local();
}

std::optional<Reply> check_debug(Dialogue& dialogue) {
    if (!offers_debug(dialogue)) return Reply{502, "5.5.1", "That command is not offered here"};
    return std::nullopt;
}

Reply perform_debug(Dialogue& dialogue, const Command&) {
    Lines lines;
    add_session(lines, dialogue);
    add_limits(lines, dialogue.config());
    add_policy(lines, dialogue.config());
    add_filters(lines, dialogue);
    add_policy_services(lines, dialogue);
    add_scanner(lines, dialogue);
    add_delivery(lines, dialogue.config());
    return {214, "2.0.0", fmt::format("postoffice {}", version()) + lines.text()};
}

}  // namespace postoffice
