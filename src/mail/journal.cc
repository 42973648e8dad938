#include "postoffice/mail/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::string_view first_line = "postoffice journal 1\n";
constexpr std::string_view end_mark = "\nend of envelope\n";

// Text that clients chose

/// One line, whatever the text holds; also escapes the octets in `special`.
std::string escaped(std::string_view text, std::string_view special = "") {
    std::string result;
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (c == '\\')
            result += "\\\\";
        else if (c == '\n')
            result += "\\n";
        else if (octet < 0x20 || octet == 0x7f || special.find(c) != std::string_view::npos)
            result += fmt::format("\\x{:02x}", octet);
        else
            result += c;
    }
    return result;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/// Undoes escaped(); a backslash that it would not have written stays what it is.
std::string unescaped(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c != '\\' || text.empty()) {
            result += c;
        } else if (text.front() == '\\' || text.front() == 'n') {
            result += text.front() == 'n' ? '\n' : '\\';
            text.remove_prefix(1);
        } else if (text.size() >= 3 && text[0] == 'x' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
            result += static_cast<char>(hex_digit(text[1]) * 16 + hex_digit(text[2]));
            text.remove_prefix(3);
        } else {
            result += c;
        }
    }
    return result;
}

/// "<local@domain>". The local part is written bare, not quoted: what a quoted string would protect is
/// escaped.
std::string address_text(const Address& address) {
    std::string text = "<" + escaped(address.local_part(), " @<>");
    if (address.is_qualified()) text += "@" + escaped(address.domain(), " @<>");
    return text + ">";
}

/// Takes an address_text() off the front; nullopt if there is none.
std::optional<Address> take_address(std::string_view& text) {
    if (!text.starts_with('<')) return std::nullopt;
    const auto end = text.find('>');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view domain = text.substr(1, end - 1);
    const auto local_part = take_until(domain, '@');
    text.remove_prefix(end + 1);
    return Address(unescaped(local_part), unescaped(domain));
}

// The envelope

/// The word for each kind of target, and which of its fields follow.
struct TargetForm {
    Target::Kind kind;
    std::string_view word;
    bool has_user;
    bool has_instruction;
};
constexpr TargetForm target_forms[] = {
    {Target::Kind::mailbox, "mailbox", true, false},
    {Target::Kind::remote, "remote", false, false},
    {Target::Kind::program, "program", true, true},
    {Target::Kind::file, "file", true, true},
    {Target::Kind::instructions, "instructions", true, true},
    {Target::Kind::discard, "discard", false, false},
};

constexpr std::string_view alias_mark = "alias:";
constexpr std::string_view virtual_mark = "virtual:";

/// "bob", "alias:list", "virtual:vera@virtual.example", "alias:list@virtual.example": whose it is.
std::string user_word(const Target& target) {
    const std::string domain = target.domain.empty() ? "" : "@" + target.domain;
    if (!target.alias.empty()) return fmt::format("{}{}{}", alias_mark, target.alias, domain);
    return target.domain.empty() ? target.user : fmt::format("{}{}{}", virtual_mark, target.user, domain);
}

/// What user_word() wrote. Neither an alias nor a virtual user has an '@' in its name; an account may have.
void read_user_word(std::string text, Target& target) {
    const bool is_alias = text.starts_with(alias_mark);
    if (!is_alias && !text.starts_with(virtual_mark)) {
        target.user = std::move(text);
        return;
    }
    std::string_view name = text;
    name.remove_prefix((is_alias ? alias_mark : virtual_mark).size());
    (is_alias ? target.alias : target.user) = take_until(name, '@');
    target.domain = name;
}

/// "program bob |command ", "program alias:list |command ": all that stands in front of the address. No word
/// is empty, and blanks in a word are escaped.
std::string target_words(const Target& target) {
    std::string words;
    for (const TargetForm& form : target_forms) {
        if (form.kind != target.kind) continue;
        words.append(form.word).append(" ");
        if (form.has_user) words += escaped(user_word(target), " <") + " ";
        if (form.has_instruction) words += escaped(target.instruction, " <") + " ";
    }
    return words;
}

/// Takes what target_words() wrote off the front; false if it is something else.
bool take_target(std::string_view& text, Target& target) {
    const auto word = take_until(text, ' ');
    for (const TargetForm& form : target_forms) {
        if (form.word != word) continue;
        target.kind = form.kind;
        if (form.has_user) read_user_word(unescaped(take_until(text, ' ')), target);
        if (form.has_instruction) target.instruction = unescaped(take_until(text, ' '));
        return true;
    }
    return false;
}

std::string recipient_line(std::size_t number, const Recipient& recipient) {
    const Target& target = recipient.target;
    std::string line = fmt::format("to: {} ", number);
    line += target_words(target) + address_text(target.address);
    if (recipient.original != target.address) line += " for " + address_text(recipient.original);
    if (recipient.wishes.notify.is_given()) line += " notify " + recipient.wishes.notify.text();
    if (!recipient.wishes.original_recipient.empty())
        line += " orcpt " + escaped(recipient.wishes.original_recipient, " ");
    return line + "\n";
}

/// What stands behind the addresses: pairs of a word and a value.
bool take_wishes(std::string_view text, RecipientWishes& wishes) {
    while (!text.empty()) {
        if (text.front() != ' ') return false;
        text.remove_prefix(1);
        const auto word = take_until(text, ' ');
        const auto end = std::min(text.find(' '), text.size());
        const auto value = text.substr(0, end);
        text.remove_prefix(end);
        if (word == "notify") {
            const auto notify = parse_notify(value);
            if (!notify) return false;
            wishes.notify = *notify;
        } else if (word == "orcpt") {
            wishes.original_recipient = unescaped(value);
        } else {
            return false;
        }
    }
    return true;
}

std::optional<Recipient> parse_recipient(std::string_view text, std::size_t expected_number) {
    if (parse_number(take_until(text, ' ')) != expected_number) return std::nullopt;
    Recipient recipient;
    if (!take_target(text, recipient.target)) return std::nullopt;
    const auto address = take_address(text);
    if (!address) return std::nullopt;
    recipient.target.address = recipient.original = *address;
    if (text.starts_with(" for ")) {
        text.remove_prefix(5);
        const auto original = take_address(text);
        if (!original) return std::nullopt;
        recipient.original = *original;
    }
    if (!take_wishes(text, recipient.wishes)) return std::nullopt;
    return recipient;
}

/// "mx.example.org [192.0.2.1]", apart again.
void split_client(std::string_view text, Origin& origin) {
    const auto bracket = text.rfind(" [");
    if (bracket == std::string_view::npos || !text.ends_with(']')) throw FormatError("journal: bad client");
    origin.client_name = unescaped(text.substr(0, bracket));
    origin.client_address = unescaped(text.substr(bracket + 2, text.size() - bracket - 3));
}

/// A key it does not know is passed over: a later version may write more.
void take_header_line(Journal& journal, std::string_view key, std::string_view value) {
    Envelope& envelope = journal.envelope;
    if (key == "id") {
        journal.id = unescaped(value);
    } else if (key == "arrived") {
        const auto when = parse_rfc3339_utc(value);
        if (!when) throw FormatError("journal: bad time of arrival");
        envelope.arrived = *when;
    } else if (key == "protocol") {
        envelope.origin.protocol = unescaped(value);
    } else if (key == "tls") {
        envelope.origin.tls = unescaped(value);
    } else if (key == "client") {
        split_client(value, envelope.origin);
    } else if (key == "helo") {
        envelope.origin.helo = unescaped(value);
    } else if (key == "forbidden") {
        envelope.forbidden = unescaped(value);
    } else if (key == "submitter") {
        envelope.origin.submitter = unescaped(value);
    } else if (key == "body") {
        envelope.body = value == "8BITMIME" ? Body::eight_bit_mime : Body::seven_bit;
    } else if (key == "header") {
        envelope.utf8_header = value == "UTF-8";
    } else if (key == "return") {
        envelope.return_part = parse_return_part(value).value_or(ReturnPart::unspecified);
    } else if (key == "envid") {
        envelope.envelope_id = unescaped(value);
    } else if (key == "size") {
        journal.size = parse_number(value);
    } else if (key == "from") {
        const auto sender = take_address(value);
        if (!sender || !value.empty()) throw FormatError("journal: bad sender");
        envelope.sender = *sender;
    } else if (key == "to") {
        const auto recipient = parse_recipient(value, envelope.recipients.size() + 1);
        if (!recipient) throw FormatError("journal: bad recipient");
        envelope.recipients.push_back(*recipient);
    }
}

// Events

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
    const auto code = parse_number(take_until(text, ' '));
    if (!code || *code < 100 || *code > 999) return std::nullopt;
    const auto status = take_until(text, ' ');
    return Reply{static_cast<int>(*code), status == "-" ? "" : unescaped(status), unescaped(text)};
}

/// "1: reply" or "1 by mx.example.org [192.0.2.1]: reply".
bool apply_result(Journal& journal, UnixTime when, DeliveryResult::Outcome outcome, std::string_view text) {
    const auto colon = text.find(": ");
    if (colon == std::string_view::npos) return false;
    std::string_view who = text.substr(0, colon);
    const auto number = parse_number(take_until(who, ' '));
    if (!number || *number == 0 || *number > journal.recipients.size()) return false;
    if (!who.empty()) {
        if (!who.starts_with("by ")) return false;
        who.remove_prefix(3);
    }
    const auto reply = parse_reply(text.substr(colon + 2));
    if (!reply) return false;

    RecipientState& state = journal.recipients[*number - 1];
    if (state.status != RecipientState::Status::waiting) return true;  // done is done
    if (outcome == DeliveryResult::Outcome::delivered) state.status = RecipientState::Status::delivered;
    if (outcome == DeliveryResult::Outcome::failed) state.status = RecipientState::Status::failed;
    ++state.attempts;
    state.last = {outcome, *reply, unescaped(who)};
    state.last_attempt = when;
    return true;
}

/// Sets a flag of the recipient whose number the text starts with.
bool apply_flag(Journal& journal, std::string_view text, bool RecipientState::*flag) {
    const auto number = parse_number(take_until(text, ':'));
    if (!number || *number == 0 || *number > journal.recipients.size()) return false;
    journal.recipients[*number - 1].*flag = true;
    return true;
}

bool apply_retry(Journal& journal, std::string_view text) {
    if (!text.starts_with("at ")) return false;
    const auto when = parse_rfc3339_utc(text.substr(3));
    if (!when) return false;
    journal.next_attempt = *when;
    ++journal.attempts;
    return true;
}

}  // namespace

bool Journal::is_finished() const {
    for (std::size_t i = 0; i < recipients.size(); ++i)
        if (recipients[i].status == RecipientState::Status::waiting || is_to_report(i)) return false;
    return true;
}

bool Journal::is_to_report(std::size_t index) const {
    const RecipientState& state = recipients[index];
    if (state.reported) return false;
    if (state.status == RecipientState::Status::failed) return true;
    // There is nobody who would want to hear of the success of a report (RFC 3461 section 6.1).
    return state.status == RecipientState::Status::delivered && !envelope.sender.is_null() &&
           envelope.recipients[index].wishes.notify.success;
}

std::string journal_header(const std::string& id, const Envelope& envelope,
                           std::optional<std::uint64_t> size) {
    const Origin& origin = envelope.origin;
    std::string text(first_line);
    const auto line = [&text](std::string_view key, std::string_view value) {
        if (!value.empty()) text.append(key).append(": ").append(value).append("\n");
    };
    line("id", escaped(id));
    line("arrived", rfc3339_utc(envelope.arrived));
    line("protocol", escaped(origin.protocol));
    line("tls", escaped(origin.tls));
    if (!origin.client_name.empty() || !origin.client_address.empty())
        line("client", escaped(origin.client_name, "[") + " [" + escaped(origin.client_address, "[]") + "]");
    line("helo", escaped(origin.helo));
    line("submitter", escaped(origin.submitter));
    line("forbidden", escaped(envelope.forbidden));
    line("body", envelope.body == Body::eight_bit_mime ? "8BITMIME" : "7BIT");
    if (envelope.utf8_header) line("header", "UTF-8");
    if (size) line("size", fmt::format("{}", *size));
    line("return", return_part_text(envelope.return_part));
    line("envid", escaped(envelope.envelope_id));
    line("from", address_text(envelope.sender));
    std::size_t number = 0;
    for (const Recipient& recipient : envelope.recipients) text += recipient_line(++number, recipient);
    text.append(end_mark.substr(1));
    return text;
}

bool journal_has_end_mark(std::string_view text) {
    return text.starts_with(first_line) && text.find(end_mark) != std::string_view::npos;
}

bool journal_is_unfinished(std::string_view text) {
    if (text.size() < first_line.size()) return first_line.starts_with(text);
    return text.starts_with(first_line) && text.find(end_mark) == std::string_view::npos;
}

Journal parse_journal(std::string_view text) {
    if (!text.starts_with(first_line)) throw FormatError("not a journal");
    const auto end = text.find(end_mark);
    if (end == std::string_view::npos) throw FormatError("journal: no end of envelope");

    Journal journal;
    bool has_sender = false;
    std::string_view header = text.substr(first_line.size(), end + 1 - first_line.size());
    while (!header.empty()) {
        std::string_view value = take_until(header, '\n');
        const auto key = take_until(value, ':');
        if (value.starts_with(' ')) value.remove_prefix(1);
        take_header_line(journal, key, value);
        has_sender = has_sender || key == "from";
    }
    if (journal.id.empty()) throw FormatError("journal: no id");
    if (!has_sender) throw FormatError("journal: no sender");
    if (journal.envelope.recipients.empty()) throw FormatError("journal: no recipients");
    journal.recipients.resize(journal.envelope.recipients.size());

    text.remove_prefix(end + end_mark.size());
    while (text.find('\n') != std::string_view::npos) {
        std::string_view event = take_until(text, '\n');
        const auto when = parse_rfc3339_utc(take_until(event, ' '));
        if (when) (void)apply_journal_event(journal, *when, event);
    }
    return journal;
}

bool apply_journal_event(Journal& journal, UnixTime when, std::string_view event) {
    const auto word = take_until(event, ' ');
    if (const auto outcome = parse_outcome(word)) return apply_result(journal, when, *outcome, event);
    if (word == "reported") return apply_flag(journal, event, &RecipientState::reported);
    if (word == "warned") return apply_flag(journal, event, &RecipientState::warned);
    if (word == "retry") return apply_retry(journal, event);
    if (word == "held")
        journal.held = unescaped(event);
    else if (word == "released")
        journal.held.reset();
    else
        return false;
    return true;
}

namespace journal_event {

std::string result(std::size_t index, const DeliveryResult& result) {
    std::string event = fmt::format("{} {}", outcome_word(result.outcome), index + 1);
    if (!result.by.empty()) {
        // A colon and a blank end the peer's name.
        std::string by = escaped(result.by);
        for (auto at = by.find(": "); at != std::string::npos; at = by.find(": ")) by.replace(at, 1, "\\x3a");
        event += " by " + by;
    }
    const Reply& reply = result.reply;
    return event + fmt::format(": {} {} {}", reply.code,
                               reply.status.empty() ? "-" : escaped(reply.status, " "), escaped(reply.text));
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

std::string held(std::string_view reason) {
    return "held " + escaped(reason);
}

std::string released() {
    return "released";
}

}  // namespace journal_event

}  // namespace postoffice
