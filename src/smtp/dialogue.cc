#include "dialogue.h"

#include "client_host.h"

namespace postoffice {

std::string Dialogue::client() const {
    if (is_standard_input()) return "stdin";
    const std::string name = state.client_name.str();
    return (name.empty() ? "unknown" : name) + "[" + state.client_address.str() + "]";
}

bool Dialogue::client_is_local() {
    if (!is_local) is_local = is_local_client(config(), state);
    return *is_local;
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
