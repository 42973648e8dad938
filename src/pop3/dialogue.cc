#include "dialogue.h"

#include <fmt/format.h>

#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {

std::string Pop3Answer::wire() const {
    std::string line = is_ok ? "+OK" : "-ERR";
    if (!code.empty()) line += fmt::format(" [{}]", code);
    if (!text.empty()) line += " " + printable(text);
    return line + "\r\n";
}

ClientPatience Pop3Dialogue::patience() const {
    const Milliseconds before_login = config().limits.timeout, after_login = config().pop3.timeout;
    return {has_logged_in() ? after_login : before_login, services.load_level};
}

Client Pop3Dialogue::facts() const {
    return {address(), state.client_name.str(), state.name_status, has_logged_in()};
}

bool Pop3Dialogue::is_trusted() {
    if (!known_trust) known_trust = trust_of(config(), services.resolver, facts());
    return *known_trust == ClientTrust::trusted;
}

void Pop3Dialogue::log_end(LogEvent event, std::string_view why) const {
    log_event(
        "", event,
        {{"client", client()}, {"login", state.user.str()}, {"command", last_command}, {"reason", why}});
}

void Pop3Dialogue::log_session() const {
    if (!has_logged_in()) return;
    log_event("", "mail-fetched",
              {{"client", client()},
               {"login", state.user.str()},
               {"fetched", std::to_string(fetched)},
               {"size", std::to_string(octets_sent)},
               {"removed", std::to_string(removed)},
               {"kept", std::to_string(maildrop->entries().size() - removed)}});
}

void Pop3Dialogue::send_lines(std::string_view first, const std::string& lines) {
    send(fmt::format("{}\r\n{}.\r\n", first, lines));
}

}  // namespace postoffice
