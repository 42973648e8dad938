// STARTTLS. RFC 3207. The handshake itself begins when the reply is on its way: see session.cc.
#include "verb.h"

namespace postoffice {

bool offers_starttls(Dialogue& dialogue) {
    return dialogue.services.tls != nullptr && !dialogue.is_over_tls();
}

std::optional<Reply> check_starttls(Dialogue& dialogue) {
    if (dialogue.is_over_tls()) return Reply{503, "5.5.1", "TLS is in use already"};
    if (dialogue.services.tls == nullptr) return Reply{502, "5.5.1", "That command is not offered here"};
    return std::nullopt;
}

Reply perform_starttls(Dialogue& dialogue, const Command&) {
    // STARTTLS is the last command of a group (RFC 3207 section 4): what stands behind it was put there by
    // an attacker, to be taken for a command that came under TLS.
    if (dialogue.connection.has_buffered_input()) {
        dialogue.drop("sent more in the clear after STARTTLS");
        return {554, "5.5.1", "Nothing may follow STARTTLS before TLS has begun"};
    }
    dialogue.state.awaits_tls = 1;
    return {220, "2.0.0", "Go ahead"};
}

}  // namespace postoffice
