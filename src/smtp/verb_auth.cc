// AUTH. RFC 4954, with PLAIN (RFC 4616) and LOGIN.
#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/base64.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/policy/authentication.h"
#include "sasl.h"
#include "verb.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_response = 12288;  // RFC 4954 section 4.1
constexpr Seconds failure_window{3600};
constexpr std::uint64_t longest_pause = 8;  // seconds
constexpr Seconds patience{40};             // longer than the authenticator's own

/// Wiped when it goes, whatever happens meanwhile.
struct Secret {
    std::string text;
    ~Secret() { wipe(text); }
};

const Reply cancelled{501, "5.7.0", "Authentication cancelled"};
const Reply not_base64{501, "5.5.2", "That is not base 64"};

/// What the client says to a challenge; a refusal if it is not usable.
std::optional<Reply> ask(Dialogue& dialogue, std::string_view challenge, Secret& response) {
    dialogue.connection.write("334 " + base64(challenge) + "\r\n", dialogue.deadline());
    const Line line = dialogue.connection.read_line(longest_response, dialogue.deadline());
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

std::optional<Reply> converse_plain(Dialogue& dialogue, std::string_view initial, Secret& user,
                                    Secret& password) {
    Secret message;
    if (auto refusal = first_response(dialogue, initial, "", message)) return refusal;
    auto credentials = parse_plain(message.text);
    if (!credentials) return Reply{501, "5.5.2", "PLAIN needs a name and a password"};
    user.text = std::move(credentials->user);
    password.text = std::move(credentials->password);
    return std::nullopt;
}

std::optional<Reply> converse_login(Dialogue& dialogue, std::string_view initial, Secret& user,
                                    Secret& password) {
    if (auto refusal = first_response(dialogue, initial, "Username:", user)) return refusal;
    return ask(dialogue, "Password:", password);
}

/// Guessing is slow, for whoever guesses and for nobody else: this process has no other client. A client that
/// leaves ends the pause.
void pause_after_failure(Dialogue& dialogue, std::uint64_t failures) {
    const Milliseconds pause =
        std::min<Milliseconds>(std::chrono::seconds(std::min(failures, longest_pause)),
                               2 * dialogue.services.penalty * static_cast<int>(failures));
    (void)dialogue.connection.wait_for_input(Deadline::after(pause));
}

std::string failure_key(const Dialogue& dialogue) {
    return "auth-failed " + dialogue.state.client_address.str();
}

Reply judge(Dialogue& dialogue, const std::string& user, const std::string& password) {
    const std::string client = dialogue.state.client_address.str();
    const AuthVerdict verdict =
        ask_authenticator(dialogue.services.authenticator, user, password, client, Deadline::after(patience));
    log_event("", "auth",
              {{"client", dialogue.client()},
               {"user", printable(verdict.outcome == AuthOutcome::yes ? verdict.user : user)},
               {"result", verdict.outcome == AuthOutcome::yes  ? "yes"
                          : verdict.outcome == AuthOutcome::no ? "no"
                                                               : "not now"}});
    if (verdict.outcome == AuthOutcome::not_now)
        return {454, "4.7.0", "Your password cannot be checked now; please try again later"};
    if (verdict.outcome == AuthOutcome::yes && dialogue.state.user.assign(verdict.user))
        return {235, "2.7.0", "Authentication succeeded"};
    std::uint64_t failures = ++dialogue.failed_logins;
    if (dialogue.services.rates != nullptr)
        failures = std::max(failures, dialogue.services.rates->add(failure_key(dialogue), 1, failure_window));
    pause_after_failure(dialogue, failures);
    return {535, "5.7.8", "Authentication credentials invalid"};
}

bool has_failed_too_often(const Dialogue& dialogue) {
    return dialogue.services.rates != nullptr && !dialogue.is_standard_input() &&
           dialogue.services.rates->count(failure_key(dialogue), failure_window) >=
               dialogue.config().auth_failures;
}

}  // namespace

bool offers_auth(Dialogue& dialogue) {
    return dialogue.services.authenticator >= 0 && !dialogue.is_authenticated() &&
           (dialogue.is_over_tls() || dialogue.config().auth_plaintext || dialogue.client_is_local());
}

std::optional<Reply> check_auth(Dialogue& dialogue) {
    if (dialogue.services.authenticator < 0) return Reply{502, "5.5.1", "That command is not offered here"};
    if (dialogue.is_authenticated()) return Reply{503, "5.5.1", "You have authenticated already"};
    if (dialogue.transaction.is_open()) return Reply{503, "5.5.1", "AUTH is not for the middle of a message"};
    if (!offers_auth(dialogue)) return Reply{538, "5.7.11", "Encryption required: use STARTTLS first"};
    if (has_failed_too_often(dialogue)) {
        log_event("", "auth", {{"client", dialogue.client()}, {"result", "too many failures"}});
        dialogue.is_over = true;
        return Reply{421, "4.7.0", "Too many failed logins from your address; try again later"};
    }
    return std::nullopt;
}

Reply perform_auth(Dialogue& dialogue, const Command& command) {
    std::string_view initial = command.argument;
    const std::string_view mechanism = take_until(initial, ' ');
    initial = trim(initial);
    Secret user, password;
    std::optional<Reply> refusal;
    if (equals_ignoring_case(mechanism, "PLAIN"))
        refusal = converse_plain(dialogue, initial, user, password);
    else if (equals_ignoring_case(mechanism, "LOGIN"))
        refusal = converse_login(dialogue, initial, user, password);
    else
        return {504, "5.5.4", "Unknown mechanism: PLAIN and LOGIN are spoken here"};
    if (refusal) return *refusal;
    return judge(dialogue, user.text, password.text);
}

}  // namespace postoffice
