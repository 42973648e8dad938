// What is written below the envelope of a journal, a line for each event, and what it means when it is read
// again.
#include <fmt/format.h>

#include "journal_text.h"
#include "postoffice/base/text.h"
#include "postoffice/queue/journal.h"

namespace postoffice {
namespace {

constexpr std::string_view outcome_word(DeliveryResult::Outcome outcome) {
    switch (outcome) {
        case DeliveryResult::Outcome::delivered:
            return "delivered";
        case DeliveryResult::Outcome::failed:
            return "failed";
        case DeliveryResult::Outcome::deferred:
            break;
    }
    return "deferred";
}

std::optional<DeliveryResult::Outcome> parse_outcome(std::string_view word) {
    using enum DeliveryResult::Outcome;
    for (const auto outcome : {delivered, deferred, failed})
        if (word == outcome_word(outcome)) return outcome;
    return std::nullopt;
}

/// "250 2.0.0 ok"; "-" where a reply has no enhanced status.
std::optional<Reply> parse_reply(std::string_view text) {
    const auto code = parse_number(read_until(text, ' '));
    if (!code || *code < 100 || *code > 999) return std::nullopt;
    const auto status = read_until(text, ' ');
    return Reply{static_cast<int>(*code), status == "-" ? "" : unescaped(status), unescaped(text)};
}

/// Between the host and the TLS that it was spoken to with, which is for people alone.
constexpr std::string_view tls_mark = " over TLS";

/// "1: reply", "1 by mx.example.org [192.0.2.1]: reply" or "1 by mx.example.org [192.0.2.1] over TLSv1.3
/// TLS_AES_256_GCM_SHA384 (may): reply". Without `when` no attempt was made.
bool apply_result(Journal& journal, std::optional<UnixTime> when, DeliveryResult::Outcome outcome,
                  std::string_view text) {
    const auto colon = text.find(": ");
    if (colon == std::string_view::npos) return false;
    std::string_view by = text.substr(0, colon);
    const auto number = parse_number(read_until(by, ' '));
    if (!number || *number == 0 || *number > journal.recipients.size()) return false;
    if (!by.empty()) {
        if (!by.starts_with("by ")) return false;
        by.remove_prefix(3);
        by = by.substr(0, by.find(tls_mark));
    }
    const auto reply = parse_reply(text.substr(colon + 2));
    if (!reply) return false;

    RecipientState& state = journal.recipients[*number - 1];
    if (state.status != RecipientState::Status::waiting) return true;  // done is done
    if (outcome == DeliveryResult::Outcome::delivered) state.status = RecipientState::Status::delivered;
    if (outcome == DeliveryResult::Outcome::failed) state.status = RecipientState::Status::failed;
    state.last = {outcome, *reply, unescaped(by)};
    if (!when) return true;
    ++state.attempts;
    state.last_attempt = *when;
    return true;
}

/// Sets a flag of the recipient whose number the text starts with. Of a line that a full disk cut short, the
/// number may be the beginning of another one.
bool apply_flag(Journal& journal, std::string_view text, bool RecipientState::*flag) {
    if (text.find(':') == std::string_view::npos) return false;
    const auto number = parse_number(read_until(text, ':'));
    if (!number || *number == 0 || *number > journal.recipients.size()) return false;
    journal.recipients[*number - 1].*flag = true;
    return true;
}

bool apply_due(Journal& journal, UnixTime now, std::string_view text) {
    if (!text.starts_with("at ")) return false;
    const auto when = parse_rfc3339_utc(text.substr(3));
    if (!when) return false;
    journal.uncounted = journal.uncounted_until(now);
    journal.next_attempt = *when;
    return true;
}

std::string result_with(std::string_view word, std::size_t index, const DeliveryResult& result) {
    std::string event = fmt::format("{} {}", word, index + 1);
    if (!result.by.empty()) {
        // A colon and a blank end the peer's name.
        std::string by = escaped(result.by);
        for (auto at = by.find(": "); at != std::string::npos; at = by.find(": ")) by.replace(at, 1, "\\x3a");
        event += " by " + by;
        if (!result.tls.empty())
            event += fmt::format(" over {} ({})", escaped(result.tls), escaped(result.tls_policy));
    }
    const Reply& reply = result.reply;
    return event + fmt::format(": {} {} {}", reply.code,
                               reply.status.empty() ? "-" : escaped(reply.status, " "), escaped(reply.text));
}

/// By which an event is known to be whole: what a full disk cut short may look like another recipient.
constexpr std::string_view end_of_added = " end";

/// "3 remote <carol@c.test> for <list@b.test> end". The number is for people: the place in the file counts,
/// since two processes may add recipients at the same time.
bool apply_added(Journal& journal, std::string_view text) {
    if (!parse_number(read_until(text, ' ')) || !text.ends_with(end_of_added)) return false;
    text.remove_suffix(end_of_added.size());
    const auto recipient = parse_destination(text);
    if (!recipient) return false;
    if (leads_there_already(journal, *recipient)) return true;
    journal.envelope.recipients.push_back(*recipient);
    journal.recipients.emplace_back();
    return true;
}

}  // namespace

bool apply_journal_event(Journal& journal, UnixTime when, std::string_view event) {
    const auto word = read_until(event, ' ');
    if (const auto outcome = parse_outcome(word)) return apply_result(journal, when, *outcome, event);
    if (word == "added") return apply_added(journal, event);
    if (word == "reported") return apply_flag(journal, event, &RecipientState::reported);
    if (word == "warned") return apply_flag(journal, event, &RecipientState::warned);
    if (word == "postponed") return apply_result(journal, {}, DeliveryResult::Outcome::deferred, event);
    if (word == "due") return apply_due(journal, when, event);
    if (word == "retry") {
        if (!apply_due(journal, when, event)) return false;
        ++journal.attempts;
        return true;
    }
    if (word == "held")
        journal.held = unescaped(event);
    else if (word == "released")
        journal.held.reset();
    else
        return false;
    return true;
}

namespace journal_event {

std::string added(std::size_t index, const Recipient& recipient) {
    return fmt::format("added {} {}{}", index + 1, destination_text(recipient), end_of_added);
}

std::string result(std::size_t index, const DeliveryResult& result) {
    return result_with(outcome_word(result.outcome), index, result);
}

std::string postponed(std::size_t index, const DeliveryResult& why) {
    return result_with("postponed", index, why);
}

std::string reported(std::size_t index, std::string_view text) {
    return fmt::format("reported {}: {}", index + 1, escaped(text));
}

std::string warned(std::size_t index, std::string_view text) {
    return fmt::format("warned {}: {}", index + 1, escaped(text));
}

std::string retry_at(UnixTime when) {
    return "retry at " + rfc3339_utc(when);
}

std::string due_at(UnixTime when) {
    return "due at " + rfc3339_utc(when);
}

std::string held(std::string_view reason) {
    return "held " + escaped(reason);
}

std::string released() {
    return "released";
}

}  // namespace journal_event

}  // namespace postoffice
