// What the session loop and the commands share while one client is served.
#pragma once

#include <optional>
#include <string>

#include "answer.h"
#include "maildrop_channel.h"
#include "postoffice/base/log_events.h"
#include "postoffice/policy/client.h"
#include "postoffice/policy/client_patience.h"
#include "postoffice/policy/login.h"
#include "postoffice/pop3/session.h"

namespace postoffice {

struct Pop3Dialogue {
    Pop3Services services;
    Connection& connection;
    SessionState& state;
    Milliseconds park_after;

    std::string user{};                         ///< as USER said it; empty: no USER yet
    std::optional<MaildropChannel> maildrop{};  ///< after the login
    MaildropChanges changes{};                  ///< that QUIT makes
    bool leaves_no_trace = false;               ///< the login began with "s-": nothing is marked as read
    unsigned failed_logins = 0;
    bool has_heard_secret = false;             ///< a login was tried, with whatever outcome
    bool is_sending_text = false;              ///< an answer of many lines has begun
    std::uint64_t fetched = 0;                 ///< messages sent as a whole
    std::uint64_t octets_sent = 0;             ///< of messages
    std::size_t removed = 0;                   ///< messages, by QUIT
    std::string last_command = "CONNECT";      ///< for the log
    bool is_over = false;                      ///< close once the answer is sent
    std::optional<ClientTrust> known_trust{};  ///< see is_trusted()

    const Config& config() const { return services.config; }
    ClientPatience patience() const;
    Deadline deadline() const { return patience().deadline(); }
    /// For the log, "name[192.0.2.1]".
    std::string client() const { return facts().text(); }
    Client facts() const;
    std::optional<IpAddress> address() const { return IpAddress::parse(state.client_address.str()); }
    /// This host and the hosts of `trusted`.
    bool is_trusted();
    bool is_over_tls() const { return connection.tls() != nullptr; }
    bool has_logged_in() const { return maildrop.has_value(); }
    void log_end(LogEvent event, std::string_view why) const;
    /// What a session that had logged in did.
    void log_session() const;
    void send(std::string_view text) { connection.write(text, deadline()); }
    /// Sends an answer of many lines: a first one, these, each with CRLF, and the dot.
    void send_lines(std::string_view first, const std::string& lines);
};

}  // namespace postoffice
