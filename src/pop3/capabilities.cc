// CAPA (RFC 2449), and the commands that say how text is understood: UTF8 and LANG (RFC 6856).
#include <fmt/format.h>

#include "command.h"
#include "postoffice/base/text.h"
#include "postoffice/config/build.h"

namespace postoffice {

std::optional<Pop3Answer> perform_capa(Pop3Dialogue& dialogue, std::string_view) {
    std::string lines =
        "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\n";
    if (const auto delay = dialogue.config().pop3.login_delay.count(); delay > 0)
        lines += fmt::format("LOGIN-DELAY {}\r\n", delay);
    if (!dialogue.has_logged_in()) {
        if (dialogue.services.tls != nullptr && !dialogue.is_over_tls()) lines += "STLS\r\n";
        if (takes_passwords(dialogue)) lines += fmt::format("USER\r\nSASL {}\r\n", pop3_mechanisms(dialogue));
    }
    lines += fmt::format("IMPLEMENTATION postoffice-{}\r\n", version());
    dialogue.send_lines("+OK Capability list follows", lines);
    return std::nullopt;
}

/// Changes nothing: names and passwords may be UTF-8 without it, and mail is sent as it is stored. To a
/// client that cannot show UTF-8 an unreadable header is of more use than a message that it does not get.
std::optional<Pop3Answer> perform_utf8(Pop3Dialogue&, std::string_view) {
    return ok("UTF8 enabled");
}

/// There is one language; "i-default" is a name of it (RFC 2277 section 4.5).
std::optional<Pop3Answer> perform_lang(Pop3Dialogue& dialogue, std::string_view argument) {
    if (argument.empty()) {
        dialogue.send_lines("+OK Language list follows", "en English\r\ni-default English\r\n");
        return std::nullopt;
    }
    if (argument == "*" || equals_ignoring_case(argument, "i-default")) return ok("i-default English");
    if (equals_ignoring_case(argument, "en") || to_lower(argument).starts_with("en-"))
        return ok("en English");
    return refused("No such language");
}

}  // namespace postoffice
