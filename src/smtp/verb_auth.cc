// AUTH. RFC 4954, with PLAIN (RFC 4616), LOGIN, and SCRAM-SHA-256 (RFC 5802, RFC 7677).
#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/base64.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/policy/sasl.h"
#include "verb.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_response = 12288;  // RFC 4954 section 4.1
constexpr Seconds failure_window{3600};
constexpr Seconds patience{40};  // longer than the authenticator's own

/// Wiped when it goes, whatever happens meanwhile.
struct Secret {
    std::string text;
    ~Secret() { wipe(text); }
};

const Reply cancelled{501, "5.7.0", "Authentication cancelled"};
const Reply not_base64{501, "5.5.2", "That is not base 64"};
const Reply not_scram{501, "5.5.2", "That is no message of SCRAM"};
const Reply temporary{454, "4.7.0", "Your password cannot be checked now; please try again later"};

/// What the client says to a challenge; a refusal if it is not usable.
std::optional<Reply> ask(Dialogue& dialogue, std::string_view challenge, Secret& response) {
    dialogue.connection.write("334 " + base64(challenge) + "\r\n", dialogue.deadline());
    dialogue.wait_for_input();
    const Line line = dialogue.connection.read_line(longest_response, dialogue.line_deadline());
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
std::optional<Reply> first_response(Dialogue& dialogue, std::string_view initial, std::string_view challenge,
                                    Secret& response) {
    if (initial.empty()) return ask(dialogue, challenge, response);
    if (initial == "=") return std::nullopt;
    auto decoded = decode_base64(initial);
    if (!decoded) return not_base64;
    response.text = std::move(*decoded);
    return std::nullopt;
}

/// Guessing is slow, and slows down no other client: this process has one. A client that
/// leaves ends the pause; one that goes on talking does not.
void pause_after_failure(Dialogue& dialogue, std::uint64_t failures) {
    const auto pause = std::min<Milliseconds>(Seconds(failures), dialogue.config().limits.tarpit);
    (void)dialogue.connection.wait_for_end(Deadline::after(pause));
}

/// One spelling for each account.
std::string without_local_domain(const Config& config, const std::string& user) {
    const std::string name = to_lower(user);
    const auto at = name.rfind('@');
    return at != std::string::npos && config.identity.is_local_domain(name.substr(at + 1))
               ? name.substr(0, at)
               : name;
}

/// Clients that many share, such as a webmail on this host or on a trusted one, are counted by the name that
/// they try: else the mistakes of one user would keep out all of them.
std::string failure_key(Dialogue& dialogue, const std::string& user) {
    if (dialogue.client_is_local())
        return "auth-failed user " + without_local_domain(dialogue.config(), user);
    const auto address = IpAddress::parse(dialogue.state.client_address.str());
    return "auth-failed " + (address ? rated_network(*address) : "");
}

bool has_failed_too_often(Dialogue& dialogue, const std::string& user) {
    return dialogue.services.rates != nullptr && !dialogue.is_standard_input() &&
           dialogue.services.rates->count(failure_key(dialogue, user), failure_window) >=
               dialogue.config().auth.failures;
}

void log_login(const Dialogue& dialogue, LogEvent event, const std::string& user,
               std::string_view reason = "") {
    log_event("", event, {{"client", dialogue.client()}, {"login", user}, {"reason", reason}});
}

/// Before the authenticator is asked about a name from a client that many share.
std::optional<Reply> refuse_further_guesses(Dialogue& dialogue, const std::string& user) {
    if (!has_failed_too_often(dialogue, user)) return std::nullopt;
    log_login(dialogue, "login-failed", user, "too many failures");
    return Reply{454, "4.7.0", "Too many failed logins for this name; try again later"};
}

/// What follows from the authenticator's verdict about `user`.
Reply conclude(Dialogue& dialogue, const std::string& user, const AuthVerdict& verdict) {
    if (verdict.outcome == AuthOutcome::temporary) {
        log_login(dialogue, "login-deferred", user);
        return temporary;
    }
    if (verdict.outcome == AuthOutcome::yes && dialogue.state.user.assign(verdict.user)) {
        log_login(dialogue, "login-succeeded", verdict.user);
        return {235, "2.7.0", "Authentication succeeded"};
    }
    log_login(dialogue, "login-failed", user, "wrong name or password");
    std::uint64_t failures = ++dialogue.failed_logins;
    if (dialogue.services.rates != nullptr)
        failures =
            std::max(failures, dialogue.services.rates->add(failure_key(dialogue, user), 1, failure_window));
    dialogue.note_misconduct(bad_points::login_failed);
    pause_after_failure(dialogue, failures);
    return {535, "5.7.8", "Authentication credentials invalid"};
}

Reply judge_password(Dialogue& dialogue, const std::string& user, const std::string& password) {
    if (auto refusal = refuse_further_guesses(dialogue, user)) return *refusal;
    const std::string client = dialogue.state.client_address.str();
    return conclude(dialogue, user,
                    ask_authenticator(dialogue.services.authenticator, user, password, client,
                                      Deadline::after(patience)));
}

Reply refuse_login(const Dialogue& dialogue, const std::string& user, std::string_view reason,
                   const std::string& text) {
    log_login(dialogue, "login-failed", user, reason);
    return {535, "5.7.8", text};
}

Reply authenticate_plain(Dialogue& dialogue, std::string_view initial) {
    Secret message;
    if (auto refusal = first_response(dialogue, initial, "", message)) return *refusal;
    auto credentials = parse_plain(message.text);
    if (!credentials) return {501, "5.5.2", "PLAIN needs a name and a password"};
    const Secret password{std::move(credentials->password)};
    // RFC 4616 section 2: no user may act for another one.
    if (!credentials->acts_as.empty() && credentials->acts_as != credentials->user)
        return refuse_login(dialogue, credentials->user, "wants to act as " + credentials->acts_as,
                            "You can log in as yourself only");
    return judge_password(dialogue, credentials->user, password.text);
}

Reply authenticate_login(Dialogue& dialogue, std::string_view initial) {
    Secret user, password;
    if (auto refusal = first_response(dialogue, initial, "Username:", user)) return *refusal;
    if (auto refusal = ask(dialogue, "Password:", password)) return *refusal;
    return judge_password(dialogue, user.text, password.text);
}

/// What the client must have bound its proof to: the data, empty for none. nullopt: it does not fit the
/// mechanism, is not known here, or -PLUS was removed from the offer on its way (RFC 5802 section 6).
std::optional<std::string> binding_data(const Dialogue& dialogue, const ScramFirst& first, bool plus) {
    if (plus != (first.binding == 'p')) return std::nullopt;
    if (plus) return dialogue.connection.tls()->channel_binding(first.binding_name);
    if (first.binding == 'y' && offers_scram_plus(dialogue)) return std::nullopt;
    return "";
}

Reply refuse_binding(const Dialogue& dialogue, const ScramFirst& first) {
    return refuse_login(dialogue, first.user, "bound to another channel",
                        "That is not bound to this channel as it should be");
}

/// RFC 5802 section 5; the server's signature goes out as a challenge that is answered with nothing (RFC 4954
/// section 4).
Reply authenticate_scram(Dialogue& dialogue, std::string_view initial, bool plus) {
    Secret message;
    if (auto refusal = first_response(dialogue, initial, "", message)) return *refusal;
    const auto first = parse_scram_first(message.text);
    if (!first) return not_scram;
    if (auto refusal = refuse_further_guesses(dialogue, first->user)) return *refusal;
    const auto binding = binding_data(dialogue, *first, plus);
    if (!binding) return refuse_binding(dialogue, *first);
    ScramResponse response;
    if (!response.client_nonce.assign(first->nonce) || !response.client_first_bare.assign(first->bare))
        return not_scram;

    ScramExchange exchange(dialogue.services.authenticator, first->user, dialogue.state.client_address.str(),
                           Deadline::after(patience));
    if (!exchange.challenge()) return conclude(dialogue, first->user, {});
    if (auto refusal = ask(dialogue, scram_server_first(first->nonce, *exchange.challenge()), message))
        return *refusal;
    const auto final = parse_scram_final(message.text);
    if (!final || final->nonce != first->nonce + exchange.challenge()->nonce.str() ||
        !response.client_final_without_proof.assign(final->without_proof))
        return not_scram;
    if (final->binding != first->header + *binding) return refuse_binding(dialogue, *first);
    response.proof = final->proof;
    const AuthVerdict verdict = exchange.finish(response, Deadline::after(patience));
    if (verdict.outcome == AuthOutcome::yes) {
        const std::string signature(verdict.signature.begin(), verdict.signature.end());
        if (auto refusal = ask(dialogue, "v=" + base64(signature), message)) return *refusal;
    }
    return conclude(dialogue, first->user, verdict);
}

}  // namespace

bool offers_auth(Dialogue& dialogue) {
    return dialogue.services.authenticator.is_there() && !dialogue.is_authenticated() &&
           (dialogue.is_over_tls() || dialogue.config().auth.plaintext || dialogue.client_is_local());
}

bool offers_scram(const Dialogue& dialogue) {
    return has_scram && dialogue.config().auth.scram && !dialogue.config().vhost.dir.empty();
}

bool offers_scram_plus(const Dialogue& dialogue) {
    return offers_scram(dialogue) && dialogue.is_over_tls() &&
           dialogue.connection.tls()->has_channel_binding();
}

/// The strongest last: a client that takes the first that it knows gets what it always got.
std::string mechanisms(const Dialogue& dialogue) {
    std::string names = "PLAIN LOGIN";
    if (offers_scram(dialogue)) names += " SCRAM-SHA-256";
    if (offers_scram_plus(dialogue)) names += " SCRAM-SHA-256-PLUS";
    return names;
}

std::optional<Reply> check_auth(Dialogue& dialogue) {
    if (!dialogue.services.authenticator.is_there())
        return Reply{502, "5.5.1", "That command is not offered here"};
    if (dialogue.is_authenticated()) return Reply{503, "5.5.1", "You have authenticated already"};
    if (dialogue.transaction.is_open()) return Reply{503, "5.5.1", "AUTH is not for the middle of a message"};
    if (!offers_auth(dialogue)) return Reply{538, "5.7.11", "Encryption required: use STARTTLS first"};
    if (!dialogue.client_is_local() && has_failed_too_often(dialogue, "")) {
        log_login(dialogue, "login-failed", "", "too many failures");
        dialogue.is_over = true;
        return Reply{421, "4.7.0", "Too many failed logins from your address; try again later"};
    }
    return std::nullopt;
}

Reply perform_auth(Dialogue& dialogue, const Command& command) {
    dialogue.has_heard_secret = true;
    std::string_view initial = command.argument;
    const std::string_view mechanism = read_until(initial, ' ');
    initial = trim(initial);
    dialogue.login_mechanism = mechanism;
    for (char& c : dialogue.login_mechanism)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (equals_ignoring_case(mechanism, "PLAIN")) return authenticate_plain(dialogue, initial);
    if (equals_ignoring_case(mechanism, "LOGIN")) return authenticate_login(dialogue, initial);
    if (offers_scram(dialogue) && equals_ignoring_case(mechanism, "SCRAM-SHA-256"))
        return authenticate_scram(dialogue, initial, false);
    if (offers_scram_plus(dialogue) && equals_ignoring_case(mechanism, "SCRAM-SHA-256-PLUS"))
        return authenticate_scram(dialogue, initial, true);
    return {504, "5.5.4", fmt::format("Unknown mechanism: {} are spoken here", mechanisms(dialogue))};
}

}  // namespace postoffice
