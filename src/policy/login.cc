#include "postoffice/policy/login.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/base64.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/policy/client_rates.h"
#include "postoffice/policy/sasl.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_response = 12288;  // RFC 4954 section 4.1
constexpr Seconds failure_window{3600};
constexpr Seconds patience{40};  // longer than the authenticator's own

const Reply cancelled{501, "5.7.0", "Authentication cancelled"};
const Reply not_base64{501, "5.5.2", "That is not base 64"};
const Reply not_scram{501, "5.5.2", "That is no message of SCRAM"};
const Reply temporary{454, "4.7.0", "Your password cannot be checked now; please try again later"};

/// One spelling for each account.
std::string without_local_domain(const Config& config, const std::string& user) {
    const std::string name = to_lower(user);
    const auto at = name.rfind('@');
    return at != std::string::npos && config.identity.is_local_domain(name.substr(at + 1))
               ? name.substr(0, at)
               : name;
}

}  // namespace

/// Wiped when it goes, whatever happens meanwhile.
struct Login::Secret {
    std::string text;
    ~Secret() { wipe(text); }
};

bool Login::offers_scram() const {
    return has_scram && context_.config.auth.scram && !context_.config.vhost.dir.empty();
}

bool Login::offers_scram_plus() const {
    const TlsStream* tls = context_.connection.tls();
    return offers_scram() && tls != nullptr && tls->has_channel_binding();
}

/// The strongest last: a client that takes the first that it knows gets what it always got.
std::string Login::mechanisms() const {
    std::string names = "PLAIN LOGIN";
    if (offers_scram()) names += " SCRAM-SHA-256";
    if (offers_scram_plus()) names += " SCRAM-SHA-256-PLUS";
    return names;
}

// ---- what the client says

/// What the client says to a challenge; a refusal if it is not usable.
std::optional<Reply> Login::ask(std::string_view challenge, Secret& response) {
    context_.connection.write(fmt::format("{} {}\r\n", context_.challenge, base64(challenge)),
                              Deadline::after(context_.config.limits.timeout));
    const Line line = context_.next_line(longest_response);
    if (line.status == Line::Status::closed) throw PeerGone("end of file within AUTH");
    if (line.status == Line::Status::too_long)
        return Reply{500, "5.5.6", "Authentication exchange line is too long"};
    if (line.text == "*") return cancelled;
    auto decoded = decode_base64(line.text);
    if (!decoded) return not_base64;
    response.text = std::move(*decoded);
    return std::nullopt;
}

/// The initial response, where there is one ("=" is an empty one), or the answer to a challenge.
std::optional<Reply> Login::first_response(std::string_view initial, std::string_view challenge,
                                           Secret& response) {
    if (initial.empty()) return ask(challenge, response);
    if (initial == "=") return std::nullopt;
    auto decoded = decode_base64(initial);
    if (!decoded) return not_base64;
    response.text = std::move(*decoded);
    return std::nullopt;
}

// ---- failures

/// Guessing is slow, and slows down no other client: this process has one. A client that leaves ends the
/// pause; one that goes on talking does not.
void Login::pause_after_failure(std::uint64_t failures) {
    const auto pause = std::min<Milliseconds>(Seconds(failures), context_.config.limits.tarpit);
    (void)context_.connection.wait_for_end(Deadline::after(pause));
}

/// Clients that many share, such as a webmail on this host or on a trusted one, are counted by the name that
/// they try: else the mistakes of one user would keep out all of them.
std::string Login::failure_key(const std::string& user) const {
    if (context_.is_trusted) return "auth-failed user " + without_local_domain(context_.config, user);
    const auto address = IpAddress::parse(context_.address);
    return "auth-failed " + (address ? rated_network(*address) : "");
}

bool Login::has_failed_too_often(const std::string& user) const {
    return context_.rates != nullptr && !context_.address.empty() &&
           context_.rates->count(failure_key(user), failure_window) >= context_.config.auth.failures;
}

void Login::log(LogEvent event, const std::string& user, std::string_view reason) const {
    log_event("", event, {{"client", context_.client}, {"login", user}, {"reason", reason}});
}

std::optional<Reply> Login::lock_out() const {
    if (context_.is_trusted || !has_failed_too_often("")) return std::nullopt;
    log("login-failed", "", "too many failures");
    return Reply{421, "4.7.0", "Too many failed logins from your address; try again later"};
}

/// Before the authenticator is asked about a name from a client that many share.
std::optional<Reply> Login::refuse_further_guesses(const std::string& user) const {
    if (!has_failed_too_often(user)) return std::nullopt;
    log("login-failed", user, "too many failures");
    return Reply{454, "4.7.0", "Too many failed logins for this name; try again later"};
}

Reply Login::refuse(const std::string& user, std::string_view reason, const std::string& text) const {
    log("login-failed", user, reason);
    return {535, "5.7.8", text};
}

/// What follows from the authenticator's verdict about `user`.
Reply Login::conclude(const std::string& user, const AuthVerdict& verdict) {
    if (verdict.outcome == AuthOutcome::temporary) {
        log("login-deferred", user);
        return temporary;
    }
    if (verdict.outcome == AuthOutcome::yes) {
        log("login-succeeded", verdict.user);
        verdict_ = verdict;
        return {235, "2.7.0", "Authentication succeeded"};
    }
    log("login-failed", user, "wrong name or password");
    std::uint64_t failures = ++context_.failures;
    if (context_.rates != nullptr)
        failures = std::max(failures, context_.rates->add(failure_key(user), 1, failure_window));
    if (const auto address = IpAddress::parse(context_.address); address && context_.misconduct != nullptr)
        context_.misconduct->note(*address, bad_points::login_failed);
    pause_after_failure(failures);
    return {535, "5.7.8", "Authentication credentials invalid"};
}

// ---- the mechanisms

LoginQuestion Login::question(const std::string& user) const {
    return {context_.full_name ? context_.full_name(user) : user, context_.address, context_.for_mailbox};
}

Reply Login::check_password(const std::string& user, const std::string& password) {
    if (auto refusal = refuse_further_guesses(user)) return *refusal;
    return conclude(
        user, ask_authenticator(context_.authenticator, question(user), password, Deadline::after(patience)));
}

Reply Login::by_plain(std::string_view initial) {
    Secret message;
    if (auto refusal = first_response(initial, "", message)) return *refusal;
    auto credentials = parse_plain(message.text);
    if (!credentials) return {501, "5.5.2", "PLAIN needs a name and a password"};
    const Secret password{std::move(credentials->password)};
    // RFC 4616 section 2: no user may act for another one.
    if (!credentials->acts_as.empty() && credentials->acts_as != credentials->user)
        return refuse(credentials->user, "wants to act as " + credentials->acts_as,
                      "You can log in as yourself only");
    return check_password(credentials->user, password.text);
}

Reply Login::by_login(std::string_view initial) {
    Secret user, password;
    if (auto refusal = first_response(initial, "Username:", user)) return *refusal;
    if (auto refusal = ask("Password:", password)) return *refusal;
    return check_password(user.text, password.text);
}

/// What the client must have bound its proof to: the data, empty for none. nullopt: it does not fit the
/// mechanism, is not known here, or -PLUS was removed from the offer on its way (RFC 5802 section 6).
std::optional<std::string> Login::binding_data(const ScramFirst& first, bool plus) const {
    if (plus != (first.binding == 'p')) return std::nullopt;
    if (plus) return context_.connection.tls()->channel_binding(first.binding_name);
    if (first.binding == 'y' && offers_scram_plus()) return std::nullopt;
    return "";
}

Reply Login::refuse_binding(const ScramFirst& first) const {
    return refuse(first.user, "bound to another channel",
                  "That is not bound to this channel as it should be");
}

/// RFC 5802 section 5; the server's signature goes out as a challenge that is answered with nothing (RFC 4954
/// section 4).
Reply Login::by_scram(std::string_view initial, bool plus) {
    Secret message;
    if (auto refusal = first_response(initial, "", message)) return *refusal;
    const auto first = parse_scram_first(message.text);
    if (!first) return not_scram;
    if (auto refusal = refuse_further_guesses(first->user)) return *refusal;
    const auto binding = binding_data(*first, plus);
    if (!binding) return refuse_binding(*first);
    ScramResponse response;
    if (!response.client_nonce.assign(first->nonce) || !response.client_first_bare.assign(first->bare))
        return not_scram;

    ScramExchange exchange(context_.authenticator, question(first->user), Deadline::after(patience));
    if (!exchange.challenge()) return conclude(first->user, {});
    if (auto refusal = ask(scram_server_first(first->nonce, *exchange.challenge()), message)) return *refusal;
    const auto final = parse_scram_final(message.text);
    if (!final || final->nonce != first->nonce + exchange.challenge()->nonce.str() ||
        !response.client_final_without_proof.assign(final->without_proof))
        return not_scram;
    if (final->binding != first->header + *binding) return refuse_binding(*first);
    response.proof = final->proof;
    const AuthVerdict verdict = exchange.finish(response, Deadline::after(patience));
    if (verdict.outcome == AuthOutcome::yes) {
        const std::string signature(verdict.signature.begin(), verdict.signature.end());
        if (auto refusal = ask("v=" + base64(signature), message)) return *refusal;
    }
    return conclude(first->user, verdict);
}

Reply Login::authenticate(std::string_view argument) {
    std::string_view initial = argument;
    const std::string_view mechanism = read_until(initial, ' ');
    initial = trim(initial);
    if (equals_ignoring_case(mechanism, "PLAIN")) return by_plain(initial);
    if (equals_ignoring_case(mechanism, "LOGIN")) return by_login(initial);
    if (offers_scram() && equals_ignoring_case(mechanism, "SCRAM-SHA-256")) return by_scram(initial, false);
    if (offers_scram_plus() && equals_ignoring_case(mechanism, "SCRAM-SHA-256-PLUS"))
        return by_scram(initial, true);
    return {504, "5.5.4", fmt::format("Unknown mechanism: {} are spoken here", mechanisms())};
}

}  // namespace postoffice
