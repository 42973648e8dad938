#include "dialogue.h"

namespace postoffice {

std::string Dialogue::client() const {
    return facts().text();
}

Client Dialogue::facts() const {
    return {IpAddress::parse(state.client_address.str()), state.client_name.str(), state.name_status,
            is_authenticated()};
}

Standing Dialogue::standing() {
    if (!known_standing) known_standing = standing_of(config(), services.resolver, facts());
    return *known_standing;
}

void Dialogue::abandon_transaction() {
    // A client that found nobody here may be guessing names: that counts like a mistake, once for each
    // attempt, so that a list with some dead addresses still gets through.
    if (transaction.refused_count() > 0 && transaction.recipient_count() == 0) ++state.errors;
    transaction = Transaction();
    chunks.reset();
}

std::string Dialogue::protocol() const {
    if (state.extended == 0) return "SMTP";
    const bool utf8 = transaction.parameters().smtputf8;  // RFC 6531 section 4.3
    return std::string(utf8 ? "UTF8SMTP" : "ESMTP") + (is_over_tls() ? "S" : "") + (is_authenticated() ? "A" : "");
}

}  // namespace postoffice
