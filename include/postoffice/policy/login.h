// A client that logs in, in any protocol of ours: by name and password, or by a mechanism of SASL (RFC 4422):
// PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 (RFC 5802, RFC 7677) with and without channel binding. What is
// counted, delayed, logged and answered after a failure is the same everywhere. Replies are those of AUTH in
// SMTP (RFC 4954); another protocol says the same in its own words.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/log_events.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/reply.h"
#include "postoffice/net/connection.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/policy/misconduct.h"
#include "postoffice/policy/rate_table.h"

namespace postoffice {

/// The dialogue in which the client logs in; all outlive the Login.
struct LoginContext {
    const Config& config;
    const AuthenticatorAccess& authenticator;
    Connection& connection;
    unsigned& failures;                  ///< of this client, so far
    std::string address;                 ///< of the client; empty: standard input
    std::string client;                  ///< for the log
    bool is_trusted = false;             ///< a host that many share: counted by the names that it tries
    RateTable* rates = nullptr;          ///< null: not counted
    Misconduct* misconduct = nullptr;    ///< null: not counted
    std::string_view challenge = "334";  ///< in front of a challenge
    /// Waits for the next line of the client, of at most so many octets.
    std::function<Line(std::size_t)> next_line = {};
    /// The name that the authenticator is asked about, of what the client calls itself; without: the same.
    std::function<std::string(const std::string&)> full_name = {};
    bool for_mailbox = false;  ///< a ticket is wanted, see policy/mailbox_ticket.h
};

class Login {
  public:
    explicit Login(LoginContext context) : context_(std::move(context)) {}

    bool offers_scram() const;
    bool offers_scram_plus() const;
    /// All that are offered, "PLAIN LOGIN".
    std::string mechanisms() const;

    /// Its address has failed too often: the reply with which the session ends.
    std::optional<Reply> lock_out() const;
    /// `argument`: of AUTH, the mechanism and perhaps an initial response. Throws Timeout, PeerGone.
    Reply authenticate(std::string_view argument);
    /// A name and a password that the client has sent as they are.
    Reply check_password(const std::string& user, const std::string& password);

    /// The authenticator's yes, after a reply of success.
    const std::optional<AuthVerdict>& verdict() const { return verdict_; }

  private:
    struct Secret;

    std::optional<Reply> ask(std::string_view challenge, Secret& response);
    std::optional<Reply> first_response(std::string_view initial, std::string_view challenge,
                                        Secret& response);
    LoginQuestion question(const std::string& user) const;
    Reply by_plain(std::string_view initial);
    Reply by_login(std::string_view initial);
    Reply by_scram(std::string_view initial, bool plus);
    std::optional<std::string> binding_data(const struct ScramFirst& first, bool plus) const;
    Reply refuse_binding(const struct ScramFirst& first) const;
    Reply refuse(const std::string& user, std::string_view reason, const std::string& text) const;
    std::optional<Reply> refuse_further_guesses(const std::string& user) const;
    Reply conclude(const std::string& user, const AuthVerdict& verdict);
    void pause_after_failure(std::uint64_t failures);
    std::string failure_key(const std::string& user) const;
    bool has_failed_too_often(const std::string& user) const;
    void log(LogEvent event, const std::string& user, std::string_view reason = "") const;

    LoginContext context_;
    std::optional<AuthVerdict> verdict_;
};

}  // namespace postoffice
