// The authorization state: USER, PASS (RFC 1939 section 7), AUTH (RFC 5034) and STLS (RFC 2595 section 4).
#include <fmt/format.h>

#include "command.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/policy/client_rates.h"

namespace postoffice {
namespace {

/// "s-alice": alice, in a session that leaves no trace.
constexpr std::string_view no_trace = "s-";

/// The name that the authenticator is asked about: "alice%example.org" is "alice@example.org" for clients
/// that cut a name at its '@', and a name without a domain belongs to that of the listener.
std::string full_name(const Pop3Dialogue& dialogue, const std::string& given) {
    std::string name = given.starts_with(no_trace) ? given.substr(no_trace.size()) : given;
    if (name.find('@') == name.npos)
        if (const auto percent = name.rfind('%'); percent != name.npos) name[percent] = '@';
    const std::string domain = dialogue.state.pop3_domain.str();
    return name.find('@') == name.npos && !domain.empty() ? name + "@" + domain : name;
}

Login login_of(Pop3Dialogue& dialogue) {
    const bool is_trusted = dialogue.is_trusted();
    return Login({.config = dialogue.config(),
                  .authenticator = dialogue.services.authenticator,
                  .connection = dialogue.connection,
                  .failures = dialogue.failed_logins,
                  .address = dialogue.state.client_address.str(),
                  .client = dialogue.client(),
                  .is_trusted = is_trusted,
                  .rates = dialogue.services.rates,
                  .misconduct = is_trusted ? nullptr : dialogue.services.misconduct,
                  .challenge = "+",
                  .next_line =
                      [&dialogue](std::size_t most) {
                          dialogue.patience().wait_for_input(dialogue.connection);
                          return dialogue.connection.read_line(most, dialogue.patience().line_deadline());
                      },
                  .full_name =
                      [&dialogue](const std::string& name) {
                          dialogue.leaves_no_trace = name.starts_with(no_trace);
                          return full_name(dialogue, name);
                      },
                  .for_mailbox = true});
}

/// The reply of SMTP's AUTH in the words of RFC 3206.
Pop3Answer refusal_of(const Reply& reply) {
    if (reply.is_temporary()) return refused_with("SYS/TEMP", reply.text);
    if (reply.code == 535) return refused_with("AUTH", reply.text);
    return refused(reply.text);
}

/// Of two logins of a user within pop3-login-delay, the second.
bool comes_too_soon(const Pop3Dialogue& dialogue, const std::string& user) {
    const Seconds delay = dialogue.config().pop3.login_delay;
    if (delay.count() == 0 || dialogue.services.rates == nullptr) return false;
    const std::string key = "pop3-login " + user;
    if (dialogue.services.rates->count(key, delay) > 0) return true;
    (void)dialogue.services.rates->add(key, 1, delay);
    return false;
}

/// After a right password: the transaction state begins when the mailbox is open.
Pop3Answer open_mailbox(Pop3Dialogue& dialogue, const AuthVerdict& verdict) {
    if (comes_too_soon(dialogue, verdict.user))
        return refused_with("LOGIN-DELAY", fmt::format("A login is possible every {}",
                                                       duration_text(dialogue.config().pop3.login_delay)));
    try {
        dialogue.maildrop.emplace(dialogue.services.spawner, verdict.ticket);
    } catch (const MaildropRefused& error) {
        return refusal_of(error);
    }
    const std::size_t messages = dialogue.maildrop->entries().size();
    dialogue.changes = {std::vector<bool>(messages), std::vector<bool>(messages)};
    dialogue.state.user.assign_cut(verdict.user);
    if (const auto window = dialogue.config().pop3.pop_before_smtp; window.count() > 0)
        if (const auto address = dialogue.address(); address && dialogue.services.rates != nullptr)
            (void)dialogue.services.rates->add(fetched_mail_key(*address), 1, window);
    return ok(fmt::format("{} {}", messages, messages == 1 ? "message" : "messages"));
}

Pop3Answer conclude(Pop3Dialogue& dialogue, const Login& login, const Reply& reply) {
    return login.verdict() ? open_mailbox(dialogue, *login.verdict()) : refusal_of(reply);
}

/// Why no login is possible now.
std::optional<Pop3Answer> obstacle(Pop3Dialogue& dialogue) {
    if (!takes_passwords(dialogue))
        return refused(dialogue.services.tls != nullptr ? "No passwords in the clear: use STLS first"
                                                        : "No passwords are taken in the clear here");
    return lock_out(dialogue);
}

}  // namespace

bool takes_passwords(Pop3Dialogue& dialogue) {
    return dialogue.services.authenticator.is_there() &&
           (dialogue.is_over_tls() || dialogue.config().auth.plaintext || dialogue.is_trusted());
}

std::string pop3_mechanisms(Pop3Dialogue& dialogue) {
    return login_of(dialogue).mechanisms();
}

std::optional<Pop3Answer> lock_out(Pop3Dialogue& dialogue) {
    const auto refusal = login_of(dialogue).lock_out();
    if (!refusal) return std::nullopt;
    dialogue.is_over = true;
    return refusal_of(*refusal);
}

/// Says nothing of whether there is such a user.
std::optional<Pop3Answer> perform_user(Pop3Dialogue& dialogue, std::string_view argument) {
    if (auto refusal = obstacle(dialogue)) return refusal;
    dialogue.user = argument;
    return ok("Password please");
}

/// All that follows the blank is the password, with blanks of its own.
std::optional<Pop3Answer> perform_pass(Pop3Dialogue& dialogue, std::string_view argument) {
    if (dialogue.user.empty()) return refused("USER comes first");
    if (auto refusal = obstacle(dialogue)) return refusal;
    dialogue.has_heard_secret = true;
    const std::string user = std::exchange(dialogue.user, "");
    std::string password(argument);
    Login login = login_of(dialogue);
    const Reply reply = login.check_password(user, password);
    wipe(password);
    return conclude(dialogue, login, reply);
}

std::optional<Pop3Answer> perform_auth(Pop3Dialogue& dialogue, std::string_view argument) {
    if (auto refusal = obstacle(dialogue)) return refusal;
    // Without a mechanism: what some clients ask instead of CAPA.
    if (argument.empty()) {
        std::string lines;
        const std::string names = pop3_mechanisms(dialogue);
        for (const auto name : split(names, ' ')) lines += std::string(name) + "\r\n";
        dialogue.send_lines("+OK Mechanisms follow", lines);
        return std::nullopt;
    }
    dialogue.has_heard_secret = true;
    Login login = login_of(dialogue);
    const Reply reply = login.authenticate(argument);
    return conclude(dialogue, login, reply);
}

/// It needs passwords that are stored as they are typed, of all users: a greeting with a time stamp for some
/// makes curl and mpop try nothing else (RFC 1939 section 7).
std::optional<Pop3Answer> perform_apop(Pop3Dialogue&, std::string_view) {
    return refused("APOP is not offered here; use AUTH");
}

/// The handshake itself begins when the answer is on its way: see session.cc.
std::optional<Pop3Answer> perform_stls(Pop3Dialogue& dialogue, std::string_view) {
    if (dialogue.is_over_tls()) return refused("TLS is in use already");
    if (dialogue.services.tls == nullptr) return refused("TLS is not offered here");
    if (dialogue.connection.has_buffered_input()) {
        dialogue.is_over = true;
        return refused("Nothing may follow STLS before TLS has begun");
    }
    dialogue.state.awaits_tls = 1;
    return ok("Begin TLS now");
}

}  // namespace postoffice
