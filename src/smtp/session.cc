#include "postoffice/smtp/session.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "client_checks.h"
#include "dialogue.h"
#include "filtering.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/config/build.h"
#include "postoffice/policy/audit.h"
#include "verb.h"

namespace postoffice {
namespace {

using Phase = SessionState::Phase;

constexpr unsigned most_commands_after_refusal = 5;
constexpr Seconds patience_with_goodbye{5};
constexpr std::size_t longest_issue = 4096;
constexpr std::size_t longest_greeting = 480;  // of one line, see Reply

// Verbs of RFC 5321's relatives that we know of and do not offer: 502, where nonsense gets 500.
constexpr std::array<std::string_view, 5> verbs_not_offered = {"TURN", "SEND", "SOML", "SAML", "LHLO"};
// A client may say these a hundred times for each message; see policy/conduct.h.
constexpr std::array<std::string_view, 8> idle_verbs = {"NOOP", "RSET", "VRFY", "EXPN",
                                                        "HELP", "HELO", "EHLO", "ETRN"};
constexpr std::array<std::string_view, 7> http_verbs = {"GET",     "POST",    "PUT",   "HEAD",
                                                        "CONNECT", "OPTIONS", "DELETE"};

bool is_one_of(std::span<const std::string_view> words, std::string_view word) {
    return std::any_of(words.begin(), words.end(), [&](auto w) { return equals_ignoring_case(w, word); });
}

// What the administrator wants strangers to read. The text of a reply is ASCII (RFC 5321 section 4.2).
std::string issue() {
    const std::string path = default_config_folder() + "/issue.smtp";
    try {
        const Fd file = disk::open_if_exists(path, O_RDONLY | O_NONBLOCK);
        if (!file) return "";
        std::string text(longest_issue, '\0');
        text.resize(disk::read_at(file.get(), text, 0));
        std::replace_if(
            text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7e; }, '?');
        const std::string_view lines = trim(text);
        return lines.empty() ? "" : "\n" + std::string(lines);
    } catch (const std::system_error& error) {
        log_event("", "issue-unreadable", {{"file", path}, {"reason", error.what()}});
        return "";
    }
}

void send_reply(Dialogue& dialogue, const Reply& reply) {
    dialogue.connection.write(reply.wire(), dialogue.deadline());
}

// A last reply, to a client that may have gone.
void say_goodbye(Dialogue& dialogue, const Reply& reply) noexcept {
    try {
        const auto deadline = Deadline::after(patience_with_goodbye);
        dialogue.connection.write(reply.wire(), deadline);
        dialogue.connection.flush(deadline);
    } catch (const std::exception&) {
    }
}

void audit(const Dialogue& dialogue, std::string_view command, std::string_view code, std::string_view info) {
    if (dialogue.is_audited()) write_audit_record(dialogue.state.client_address.str(), command, code, info);
}

// The end of a session without QUIT.
void audit_end(const Dialogue& dialogue, std::string_view code, std::string_view why) {
    if (dialogue.last_command != "QUIT") audit(dialogue, "QUIT", code, why);
}

// One line, since some clients take the first line for all of it. It names both sides and the time.
std::string greeting(const Dialogue& dialogue) {
    const std::string& hostname = dialogue.config().identity.hostname;
    const std::string time = rfc5322_date(now_unix());
    const std::string line =
        fmt::format("{} ESMTP postoffice; Hello {}; {}", hostname, dialogue.client(), time);
    return line.size() <= longest_greeting ? line : fmt::format("{} ESMTP postoffice; {}", hostname, time);
}

// RFC 5321 section 3.1: a client waits for the greeting. Front ends and monitors of ours that look whether
// the server is alive say HELO at once.
bool may_speak_first(Dialogue& dialogue) {
    const auto address = IpAddress::parse(dialogue.state.client_address.str());
    return dialogue.may_run_ahead() || (address && is_listed(dialogue.config().network.proxies, *address));
}

void learn_client_name(Dialogue& dialogue) {
    const auto address = IpAddress::parse(dialogue.state.client_address.str());
    const auto found = address ? find_client_name(dialogue.services.resolver, *address) : ClientName();
    dialogue.state.client_name.assign_cut(found.name);
    dialogue.state.name_status = found.status;
}

// True if the client may be served.
bool greet(Dialogue& dialogue) {
    SessionState& state = dialogue.state;
    if (!dialogue.is_standard_input()) {
        if (state.name_status == NameStatus::unasked) learn_client_name(dialogue);
        if (dialogue.connection.wait_for_input(Deadline::after(Milliseconds(0)))) {
            if (dialogue.connection.peek(dialogue.deadline()).empty())
                throw PeerGone("left before the greeting");
            if (!may_speak_first(dialogue)) {
                dialogue.drop("spoke before the greeting");
                audit(dialogue, "CONN", "554", dialogue.client());
                say_goodbye(dialogue,
                            {554, "5.5.0", "You spoke before the greeting; mail clients wait for it"});
                return false;
            }
        }
    }
    if (const auto refusal = check_client(dialogue)) {
        send_reply(dialogue, *refusal);
        audit(dialogue, "CONN", std::to_string(refusal->code), dialogue.client());
        state.phase = Phase::refused;
        dialogue.is_over = refusal->code != 554;  // RFC 5321 section 3.1: only then the client may go on
        return true;
    }
    send_reply(dialogue, {220, "", greeting(dialogue) + issue(), false});
    audit(dialogue, "CONN", "220", dialogue.client());
    state.phase = Phase::greeted;
    return true;
}

Reply unknown_command(Dialogue& dialogue, std::string_view verb) {
    if (is_one_of(http_verbs, verb)) {
        dialogue.drop("speaks HTTP");
        return {421, "4.7.0",
                fmt::format("{} takes mail and does not speak HTTP", dialogue.config().identity.hostname)};
    }
    if (is_one_of(verbs_not_offered, verb)) return {502, "5.5.1", "That command is not offered here"};
    return {500, "5.5.1", "Unknown command"};
}

// Why the verb cannot be performed now.
std::optional<Reply> check(Dialogue& dialogue, const Verb& verb, const Command& command) {
    const bool has_argument = !command.argument.empty();
    if (has_argument ? verb.argument == Verb::Argument::none : verb.argument == Verb::Argument::required)
        return syntax_error(verb.name);
    return verb.check ? verb.check(dialogue) : std::nullopt;
}

Reply check_and_perform(Dialogue& dialogue, const Verb& verb, const Command& command) {
    const auto refusal = check(dialogue, verb, command);
    if (!refusal) return verb.perform(dialogue, command);
    // A client that did not wait for our 354: its message must not be taken for commands. No command may
    // follow DATA unasked (RFC 2920 section 3.1), so nothing else is lost.
    if (verb.name == "DATA") dialogue.connection.discard_input();
    return *refusal;
}

// The one place where something unforeseen inside a verb becomes a reply, and a temporary one.
Reply answer(Dialogue& dialogue, const Verb& verb, const Command& command) {
    try {
        return check_and_perform(dialogue, verb, command);
    } catch (const Timeout&) {
        throw;
    } catch (const PeerGone&) {
        throw;
    } catch (const std::exception& error) {
        if (dialogue.is_reading_message) throw;
        log_event("", "session-failed",
                  {{"client", dialogue.client()}, {"command", verb.name}, {"reason", in_plain_words(error)}});
        return {451, "4.3.0", "Something went wrong here; please try again later"};
    }
}

// RFC 5321 section 3.1: a client that was refused may only say QUIT. Whatever else it says costs it a pause.
Reply refuse_insistence(Dialogue& dialogue) {
    dialogue.pause(dialogue.config().limits.tarpit);
    return {503, "5.5.1", "No mail is taken from you; please QUIT"};
}

Reply answer(Dialogue& dialogue, const Line& line) {
    const bool is_too_long = line.status == Line::Status::too_long;
    const auto command = is_too_long ? std::nullopt : parse_command(line.text);
    const Verb* verb = command ? find_verb(command->verb) : nullptr;
    if (dialogue.state.phase == Phase::refused && (verb == nullptr || verb->name != "QUIT"))
        return refuse_insistence(dialogue);
    if (is_too_long) return {500, "5.5.2", "Line too long"};
    if (!command) return {500, "5.5.2", "Not a command"};
    if (verb == nullptr) {
        if (auto refusal = filter_unknown(dialogue, line.text)) {
            ++dialogue.state.errors;
            return *refusal;
        }
        return unknown_command(dialogue, command->verb);
    }
    dialogue.last_command = verb->name;
    set_process_title(fmt::format(
        "SMTP {} {}", dialogue.is_standard_input() ? "stdin" : dialogue.state.client_address.str(),
        verb->name));
    dialogue.command_line_end = line.end;
    if (is_one_of(idle_verbs, verb->name)) dialogue.count_idle_command();
    return answer(dialogue, *verb, *command);
}

// A refused recipient is no mistake of the client's; see Dialogue::abandon_transaction().
bool is_mistake(const Reply& reply) {
    return (reply.code >= 500 && reply.code <= 504) || reply.code == 555 || reply.code == 421;
}

// Ends the session of a client that made too many mistakes.
void enforce_error_budget(Dialogue& dialogue) {
    const unsigned most = dialogue.state.phase == Phase::refused ? most_commands_after_refusal
                                                                 : dialogue.config().limits.errors;
    if (dialogue.state.errors < most || dialogue.is_over) return;
    dialogue.drop("too many errors");
    send_reply(dialogue,
               {421, "4.7.0",
                fmt::format("{} closing connection: too many errors", dialogue.config().identity.hostname)});
}

bool is_silent(Dialogue& dialogue) {
    return dialogue.park_after > Milliseconds(0) && !dialogue.is_over_tls() && !dialogue.is_authenticated() &&
           dialogue.transaction.is_empty() &&
           !dialogue.connection.wait_for_input(Deadline::after(dialogue.park_after));
}

// A client need not wait for it.
void send_last_reply(Dialogue& dialogue) {
    try {
        dialogue.connection.flush(dialogue.deadline());
    } catch (const PeerGone&) {
    }
}

// From here on under TLS, and nothing that was said before counts (RFC 3207 section 4.2). False if that
// failed: there is no language left in which to say so.
bool begin_tls(Dialogue& dialogue) {
    dialogue.state.awaits_tls = 0;
    try {
        // A client that says nothing is parked meanwhile; this is for one that has begun.
        dialogue.patience().shake_hands(dialogue.connection, dialogue.services.tls, dialogue.client());
    } catch (const std::exception& error) {
        dialogue.log_end("tls-failed", in_plain_words(error));
        return false;
    }
    dialogue.state.extended = 0;
    dialogue.state.helo = {};
    dialogue.state.user = {};
    dialogue.abandon_transaction();
    return true;
}

// What may be told of a command line.
struct AuditedCommand {
    std::string verb;  // of a verb that we know; "?" for everything else
    std::string info;
};

AuditedCommand audited_command(std::string_view line) {
    const auto command = parse_command(line);
    const Verb* verb = command ? find_verb(command->verb) : nullptr;
    if (verb == nullptr) return {"?", ""};
    return {std::string(verb->name),
            verb->name == "AUTH" ? audited_mechanism(command->argument) : std::string(command->argument)};
}

// A message gets the server's word with its id, a login the user's name.
void audit(const Dialogue& dialogue, const AuditedCommand& asked, const Reply& reply) {
    if (asked.verb.empty()) return;
    std::string info = asked.info;
    const bool is_message = asked.verb == "DATA" || asked.verb == "BDAT";
    if (is_message || asked.verb == "AUTH")
        info += (info.empty() ? "" : " ") + (is_message ? reply.text : dialogue.state.user.str());
    audit(dialogue, asked.verb, std::to_string(reply.code), info);
}

SessionEnd converse(Dialogue& dialogue) {
    SessionState& state = dialogue.state;
    if (state.phase == Phase::timed_out) throw Timeout("silent while parked");
    while (!dialogue.is_over) {
        if (state.phase == Phase::arrived && state.awaits_tls == 0) {
            if (!greet(dialogue)) return SessionEnd::unclean;
            continue;
        }
        if (is_silent(dialogue)) return SessionEnd::parked;
        if (state.awaits_tls != 0) {
            if (!begin_tls(dialogue)) return SessionEnd::unclean;
            continue;
        }
        dialogue.wait_for_input();
        const Line line = dialogue.connection.read_line(max_command_line, dialogue.line_deadline());
        if (line.status == Line::Status::closed) throw PeerGone("end of file without QUIT");
        const auto asked = dialogue.is_audited() ? audited_command(line.text) : AuditedCommand();
        const Reply reply = answer(dialogue, line);
        audit(dialogue, asked, reply);
        send_reply(dialogue, reply);
        if (is_mistake(reply)) ++state.errors;
        enforce_error_budget(dialogue);
    }
    send_last_reply(dialogue);
    dialogue.connection.close();
    // A process that has heard a password serves no other client.
    if (dialogue.has_heard_secret || dialogue.is_authenticated()) return SessionEnd::unclean;
    return state.errors == 0 ? SessionEnd::clean : SessionEnd::unclean;
}

}  // namespace

Session::Session(const SessionServices& services, Connection& connection, SessionState& state,
                 Milliseconds park_after)
    : dialogue_(new Dialogue{services, connection, state, park_after}) {}

Session::~Session() = default;

bool Session::was_cut_off() const {
    return dialogue_->is_reading_message;
}

// The one place where a dialogue that cannot go on ends.
SessionEnd Session::serve() {
    Dialogue& dialogue = *dialogue_;
    const std::string& hostname = dialogue.config().identity.hostname;
    try {
        const SessionEnd end = converse(dialogue);
        if (end != SessionEnd::parked) audit_end(dialogue, audit_ended, "");
        return end;
    } catch (const Timeout& timeout) {
        audit_end(dialogue, "421", timeout.what());
        dialogue.log_end("timeout", timeout.what());
        if (dialogue.is_reading_message) dialogue.note_misconduct(bad_points::disconnected);
        say_goodbye(dialogue, {421, "4.4.2", hostname + " closing connection: silent for too long"});
    } catch (const PeerGone& gone) {
        audit_end(dialogue, audit_lost, gone.what());
        dialogue.log_end("lost-connection", gone.what());
    } catch (const std::exception& error) {
        audit_end(dialogue, "421", in_plain_words(error));
        dialogue.log_end("session-failed", in_plain_words(error));
        say_goodbye(dialogue, {421, "4.3.0", hostname + " closing connection: something went wrong here"});
    }
    return SessionEnd::unclean;
}

}  // namespace postoffice
