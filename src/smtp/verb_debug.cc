// DEBUG: what an administrator wants to know of a server that he talks to. Offered with `debug` alone, and
// only to this host and trusted ones: it shows internals. No passwords and no keys; of DNS lists the number
// alone, because the name of a list that is paid for may be one.
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

std::string ports(const Config& config) {
    std::vector<std::string> all;
    for (const ListenAddress& listen : config.listen)
        all.push_back(fmt::format("{}:{}{}{}", listen.address, listen.port, listen.tls ? " tls" : "",
                                  listen.submission ? " submission" : ""));
    return joined(all);
}

/// Whether mail would be taken now.
std::string health(const Config& config) {
    try {
        const std::uint64_t free = disk::free_space(config.queue_dir);
        return fmt::format("{}, {} octets free in the spool", free < config.minfree ? "full" : "ok", free);
    } catch (const std::system_error& error) {
        return error.what();
    }
}

std::string envelope(const Transaction& transaction) {
    if (!transaction.is_open()) return "none";
    return fmt::format("from <{}>, {} recipients, {} refused", transaction.sender().to_string(),
                       transaction.recipient_count(), transaction.refused_count());
}

std::string lines_about(Dialogue& dialogue) {
    const Config& config = dialogue.config();
    const auto yes = [](bool is) { return is ? "yes" : "no"; };
    std::string text;
    const auto add = [&text](std::string_view name, const auto& value) {
        text += fmt::format("\n{}: {}", name, value);
    };
    add("host", config.hostname);
    add("health", health(config));
    add("client", dialogue.client());
    add("helo", dialogue.state.helo.str());
    add("user", dialogue.state.user.str());
    add("protocol", dialogue.protocol());
    add("envelope", envelope(dialogue.transaction));
    add("PAM", yes(has_pam));
    add("tcp wrappers", has_libwrap ? "libwrap" : "none");
    add("TLS", dialogue.services.tls != nullptr ? "offered"
               : tls_is_built_in()              ? "without certificate"
                                                : "none");
    add("audit", yes(dialogue.is_audited()));
    add("listen", ports(config));
    add("trusted", joined(config.trusted));
    add("clients", config.clients);
    add("client-connections", config.client_connections);
    add("size", config.size);
    add("minfree", config.minfree);
    add("timeout", config.timeout.count());
    add("forbidden", name_of(config.forbidden));
    add("spam", name_of(config.spam));
    add("relay", yes(config.relay));
    add("localmx", yes(config.localmx));
    add("paranoid", yes(config.paranoid));
    add("dnscheck", yes(config.dnscheck));
    add("checkhelo", yes(config.checkhelo));
    add("verify-from", yes(config.verify_from));
    add("nodaemon", yes(config.nodaemon));
    add("dnsbl", config.dnsbl.size());
    add("dnswl", config.dnswl.size());
    for (const UserMap& map : config.usermaps) add("usermap", map.pattern + ":" + joined(map.targets));
    add("escape-from", yes(config.escape_from));
    add("dot-lock", yes(config.dot_lock));
    add("immediate", yes(config.immediate));
    add("qreturn", config.qreturn.count());
    return text;
}

}  // namespace

bool offers_debug(Dialogue& dialogue) {
    return dialogue.config().debug && dialogue.client_is_local();
}

std::optional<Reply> check_debug(Dialogue& dialogue) {
    if (!offers_debug(dialogue)) return Reply{502, "5.5.1", "That command is not offered here"};
    return std::nullopt;
}

Reply perform_debug(Dialogue& dialogue, const Command&) {
    return {214, "2.0.0", fmt::format("postoffice {}", version()) + lines_about(dialogue)};
}

}  // namespace postoffice
