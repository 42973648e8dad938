// What TLS an SMTP client needs at one server: RFC 3207, and RFC 8314 for port 465.
#pragma once

#include <string>

#include "postoffice/net/tls_client.h"

namespace postoffice {

struct ClientTls {
    enum class Use {
        never,
        /// Where the server offers it. What goes wrong before mail is sent is answered by mail in the clear,
        /// over a new connection where need be (RFC 7435).
        if_offered,
        /// No mail without it, nor to a server that is not the expected one.
        required,
    } use = Use::never;
    /// For `if_offered`, a certificate that does not pass the check is a failure to be reported, and no more.
    TlsPeer peer{};
    TlsClient* client = nullptr;  ///< not owned; null only where `use` is never
    std::string policy{};         ///< for people: "may", "verify", "dane"
    /// TLS comes before the greeting (RFC 8314 section 3.3), and STARTTLS is not asked for; `use` is
    /// `required`, since such a port has nothing in the clear.
    bool is_implicit = false;
};

}  // namespace postoffice
