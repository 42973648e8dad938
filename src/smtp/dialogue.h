// What the session loop and the verbs share while one client is served.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "incoming_message.h"
#include "postoffice/smtp/session.h"
#include "transaction.h"

namespace postoffice {

struct Dialogue {
    SessionServices services;
    Connection& connection;
    SessionState& state;
    Milliseconds park_after;

    Transaction transaction{};
    std::unique_ptr<IncomingMessage> chunks{};  ///< a message of which BDAT has brought a part
    LineEnd command_line_end = LineEnd::crlf;   ///< how the command being served ended
    std::string last_command = "CONNECT";       ///< for the log
    bool is_reading_message = false;            ///< what comes next on the wire is message text
    unsigned failed_logins = 0;
    bool tls_follows = false;                  ///< the reply being sent is the last one in the clear
    bool is_over = false;                      ///< close once the reply is sent
    std::optional<Standing> known_standing{};  ///< see standing()

    const Config& config() const { return services.config; }
    Deadline deadline() const { return Deadline::after(config().timeout); }
    bool is_standard_input() const { return state.client_address.bytes[0] == '\0'; }
    /// "name[192.0.2.1]", for people.
    std::string client() const;
    /// What policy is told about the client.
    Client facts() const;
    /// Asked when first needed: most clients never need it.
    Standing standing();
    bool client_is_local() { return standing() == Standing::ours; }
    /// It need not answer for what only strangers are asked about.
    bool client_is_known() { return is_authenticated() || client_is_local(); }
    bool is_over_tls() const { return connection.tls() != nullptr; }
    bool is_authenticated() const { return state.user.bytes[0] != '\0'; }
    /// As the Received field and the log have it: "SMTP", "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" (RFC 3848).
    std::string protocol() const;
    /// Ends the transaction without a message.
    void abandon_transaction();
};

}  // namespace postoffice
