// What the session loop and the verbs share while one client is served.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "incoming_message.h"
#include "postoffice/base/log_events.h"
#include "postoffice/milter/filter_chain.h"
#include "postoffice/policy/audit.h"
#include "postoffice/policy/client_patience.h"
#include "postoffice/policy/client_rates.h"
#include "postoffice/smtp/session.h"
#include "transaction.h"

namespace postoffice {

struct Dialogue {
    SessionServices services;
    Connection& connection;
    SessionState& state;
    Milliseconds park_after;

    Transaction transaction{};
    std::unique_ptr<FilterChain> filters{};     ///< null before the first message that passes some
    std::unique_ptr<IncomingMessage> chunks{};  ///< a message of which BDAT has brought a part
    LineEnd command_line_end = LineEnd::crlf;   ///< how the command being served ended
    std::string last_command = "CONNECT";       ///< for the log
    bool is_reading_message = false;            ///< what comes next on the wire is message text
    unsigned failed_logins = 0;
    bool has_heard_secret = false;                ///< AUTH was tried, with whatever outcome
    std::string login_mechanism{};                ///< "PLAIN", of the login
    std::string last_scan{};                      ///< what the program of av= decided last, for DEBUG
    bool is_over = false;                         ///< close once the reply is sent
    std::optional<ClientTrust> known_standing{};  ///< see standing()
    std::optional<std::string> reverse_name{};    ///< what DNS calls the client, confirmed or not, once asked

    const Config& config() const { return services.config; }
    /// With the client now.
    ClientPatience patience() const;
    Deadline deadline() const { return patience().deadline(); }
    /// A line that has begun must end by then.
    Deadline line_deadline() const { return patience().line_deadline(); }
    void wait_for_input() const { patience().wait_for_input(connection); }
    /// Lets a client wait that deserves it; local ones do not.
    void pause(Milliseconds time);
    /// A command that leads to no message; there may be a hundred for each.
    void count_idle_command();
    /// Counts against the client's address; see policy/misconduct.h.
    void note_misconduct(unsigned points);
    /// Why the session ends, for the log: "lost connection", "timeout" and the like.
    void log_end(LogEvent event, std::string_view why) const;
    /// The session ends after the reply being made: the client did what no mail client does.
    void drop(std::string_view why);
    RatedClient rated();
    bool is_standard_input() const { return state.client_address.bytes[0] == '\0'; }
    /// "name[192.0.2.1]", for people.
    std::string client() const;
    /// What policy is told about the client.
    Client facts() const;
    /// For all questions of one command: they end within half a minute.
    Resolver resolver() const;
    /// Asked when first needed: most clients never need it.
    ClientTrust trust();
    bool client_is_local() { return trust() == ClientTrust::trusted; }
    /// It need not answer for what only strangers are asked about.
    bool client_is_known() { return is_authenticated() || client_is_local() || has_fetched_mail(); }
    /// A user has fetched mail from its address lately, where that counts (pop-before-smtp).
    bool has_fetched_mail() const;
    /// The client need not wait for the answer to DATA (RFC 2920 section 3.1).
    bool may_run_ahead() { return services.is_rehearsal || client_is_known(); }
    /// Its lines come from a program or a person here, not over the network.
    bool reads_standard_input() const { return services.is_rehearsal || is_standard_input(); }
    /// What this client may write for an address.
    PathRules path_rules(bool allow_null);
    bool is_over_tls() const { return connection.tls() != nullptr; }
    bool is_authenticated() const { return state.user.bytes[0] != '\0'; }
    /// As the Received field and the log have it: "SMTP", "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" (RFC 3848).
    std::string protocol() const;
    bool is_audited() const { return postoffice::is_audited(config(), services.auditing); }
    /// Ends the transaction without a message.
    void abandon_transaction();
};

}  // namespace postoffice
