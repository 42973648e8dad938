#include "postoffice/pop3/session.h"

#include <fmt/format.h>

#include "command.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/policy/audit.h"

namespace postoffice {
namespace {

using Phase = SessionState::Phase;

// RFC 2449 section 4 has 255 octets; a name and a password of RFC 6856 may be longer.
constexpr std::size_t longest_line = 1024;
constexpr Seconds patience_with_goodbye{5};
// After such a silence a client that has logged in may say nothing for minutes.
constexpr Seconds silence_before_release{1};

/// A last answer, to a client that may have gone.
void say_goodbye(Pop3Dialogue& dialogue, const Pop3Answer& answer) noexcept {
    if (dialogue.is_sending_text) return;  // it would be taken for text
    try {
        const auto deadline = Deadline::after(patience_with_goodbye);
        dialogue.connection.write(answer.wire(), deadline);
        dialogue.connection.flush(deadline);
    } catch (const std::exception&) {
    }
}

/// What hosts.allow and hosts.deny have against the client. Its name is looked up for rules alone.
std::optional<Pop3Answer> check_access(Pop3Dialogue& dialogue) {
    if (!has_access_rules(dialogue.services.access_tables)) return std::nullopt;
    Client client = dialogue.facts();
    if (!client.address) return std::nullopt;
    const ClientName name = find_client_name(dialogue.services.resolver, *client.address);
    client.name = name.name;
    client.name_status = name.status;
    const AccessVerdict verdict = consult_hosts_access(client, dialogue.services.access_tables);
    if (verdict.kind == AccessVerdict::Kind::welcome) return std::nullopt;
    const Reply reply = refusal_for(verdict, dialogue.config().identity.hostname, client);
    log_event("", "client-refused", {{"client", client.text()}, {"reply", reply.line()}});
    return reply.is_temporary() ? refused_with("SYS/TEMP", reply.text) : refused_with("SYS/PERM", reply.text);
}

void audit(const Pop3Dialogue& dialogue, std::string_view command, std::string_view code,
           std::string_view info) {
    if (is_audited(dialogue.config(), dialogue.services.auditing))
        write_audit_record(dialogue.state.client_address.str(), command, code, info);
}

void audit_answer(const Pop3Dialogue& dialogue, std::string_view command, bool is_ok, std::string_view info) {
    audit(dialogue, command, is_ok ? "+OK" : "-ERR", info);
}

/// The end of a session without QUIT.
void audit_end(const Pop3Dialogue& dialogue, std::string_view code, std::string_view why) {
    if (dialogue.last_command != "QUIT") audit(dialogue, "QUIT", code, why);
}

/// The name of the user stands at a login, and never what else PASS and AUTH say.
std::string audited_argument(const Pop3Dialogue& dialogue, std::string_view command,
                             std::string_view argument) {
    if (command != "PASS" && command != "AUTH") return std::string(argument);
    std::string info = command == "AUTH" ? audited_mechanism(argument) : "";
    if (dialogue.has_logged_in()) info += (info.empty() ? "" : " ") + dialogue.state.user.str();
    return info;
}

void greet(Pop3Dialogue& dialogue) {
    auto refusal = check_access(dialogue);
    if (!refusal) refusal = lock_out(dialogue);
    audit_answer(dialogue, "CONN", !refusal, dialogue.client());
    if (refusal) {
        dialogue.is_over = true;
        return dialogue.send(refusal->wire());
    }
    dialogue.send(ok(dialogue.config().identity.hostname + " POP3 postoffice").wire());
    dialogue.state.phase = Phase::greeted;
}

/// From here on under TLS, and nothing that was said before counts (RFC 2595 section 4). False if that
/// failed.
bool begin_tls(Pop3Dialogue& dialogue) {
    dialogue.state.awaits_tls = 0;
    dialogue.user.clear();
    try {
        dialogue.patience().shake_hands(dialogue.connection, dialogue.services.tls, dialogue.client());
    } catch (const std::exception& error) {
        dialogue.log_end("tls-failed", in_plain_words(error));
        return false;
    }
    return true;
}

std::optional<Pop3Answer> perform(Pop3Dialogue& dialogue, const Pop3Command& command,
                                  std::string_view argument) {
    using State = Pop3Command::State;
    using Argument = Pop3Command::Argument;
    if (command.state == State::before_login && dialogue.has_logged_in())
        return refused("You have logged in already");
    if (command.state == State::after_login && !dialogue.has_logged_in()) return refused("Log in first");
    if (command.argument == Argument::required && argument.empty())
        return refused(fmt::format("{} needs an argument", command.name));
    if (command.argument == Argument::none && !argument.empty())
        return refused(fmt::format("{} has no argument", command.name));
    return command.perform(dialogue, argument);
}

void show_in_title(const Pop3Dialogue& dialogue, std::string_view command) {
    const std::string address = dialogue.state.client_address.str();
    const std::string user = dialogue.has_logged_in() ? dialogue.state.user.str() + " " : "";
    set_process_title(fmt::format("POP3 {} {}{}", address, user, command));
}

/// nullopt: the answer is on its way.
std::optional<Pop3Answer> answer(Pop3Dialogue& dialogue, const Line& line) {
    std::string_view rest = line.text;
    const std::string_view name = read_until(rest, ' ');
    const bool is_too_long = line.status == Line::Status::too_long;
    const Pop3Command* command = is_too_long ? nullptr : find_pop3_command(name);
    if (command == nullptr) {
        audit_answer(dialogue, "?", false, "");
        return refused(is_too_long ? "Line too long" : "Unknown command");
    }
    dialogue.last_command = command->name;
    show_in_title(dialogue, command->name);
    // Of a password, the blanks count.
    const std::string_view argument = command->name == "PASS" ? rest : trim(rest);
    auto said = perform(dialogue, *command, argument);
    audit_answer(dialogue, command->name, !said || said->is_ok,
                 audited_argument(dialogue, command->name, argument));
    return said;
}

/// Closes the connection of a client that made too many mistakes.
void enforce_error_budget(Pop3Dialogue& dialogue) {
    if (++dialogue.state.errors < dialogue.config().limits.errors || dialogue.is_over) return;
    dialogue.log_end("dropped", "too many errors");
    dialogue.is_over = true;
}

/// Before the login the listener can hold a client that says nothing.
bool is_silent(Pop3Dialogue& dialogue) {
    return dialogue.park_after > Milliseconds(0) && !dialogue.is_over_tls() && !dialogue.has_heard_secret &&
           dialogue.user.empty() && !dialogue.connection.wait_for_input(Deadline::after(dialogue.park_after));
}

SessionEnd converse(Pop3Dialogue& dialogue) {
    SessionState& state = dialogue.state;
    if (state.phase == Phase::timed_out) throw Timeout("silent while parked");
    while (!dialogue.is_over) {
        if (state.phase == Phase::arrived && state.awaits_tls == 0) {
            greet(dialogue);
            continue;
        }
        if (is_silent(dialogue)) return SessionEnd::parked;
        if (state.awaits_tls != 0) {
            if (!begin_tls(dialogue)) return SessionEnd::unclean;
            continue;
        }
        if (dialogue.has_logged_in() &&
            !dialogue.connection.wait_for_input(Deadline::after(silence_before_release)))
            release_free_memory();
        dialogue.patience().wait_for_input(dialogue.connection);
        const Line line = dialogue.connection.read_line(longest_line, dialogue.patience().line_deadline());
        if (line.status == Line::Status::closed) throw PeerGone("end of file without QUIT");
        const auto said = answer(dialogue, line);
        if (said) dialogue.send(said->wire());
        if (said && !said->is_ok) enforce_error_budget(dialogue);
    }
    dialogue.connection.flush(dialogue.deadline());
    dialogue.connection.close();
    // A process that has heard a password serves no other client.
    return dialogue.has_heard_secret || state.errors > 0 ? SessionEnd::unclean : SessionEnd::clean;
}

}  // namespace

Pop3Session::Pop3Session(const Pop3Services& services, Connection& connection, SessionState& state,
                         Milliseconds park_after)
    : dialogue_(new Pop3Dialogue{services, connection, state, park_after}) {}

Pop3Session::~Pop3Session() = default;

// The one place where a dialogue that cannot go on ends. Without QUIT nothing is deleted (RFC 1939 section
// 3).
SessionEnd Pop3Session::serve() {
    Pop3Dialogue& dialogue = *dialogue_;
    SessionEnd end = SessionEnd::unclean;
    try {
        end = converse(dialogue);
        if (end != SessionEnd::parked) audit_end(dialogue, audit_ended, "");
    } catch (const Timeout& timeout) {
        audit_end(dialogue, audit_ended, timeout.what());
        dialogue.log_end("timeout", timeout.what());
        say_goodbye(dialogue, refused("Silent for too long; nothing was deleted"));
    } catch (const PeerGone& gone) {
        audit_end(dialogue, audit_lost, gone.what());
        dialogue.log_end("lost-connection", gone.what());
    } catch (const std::exception& error) {
        audit_end(dialogue, audit_ended, in_plain_words(error));
        dialogue.log_end("session-failed", in_plain_words(error));
        say_goodbye(dialogue, refused_with("SYS/TEMP", "Something went wrong here; nothing was deleted"));
    }
    dialogue.log_session();
    return end;
}

}  // namespace postoffice
