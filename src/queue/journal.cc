#include "postoffice/queue/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "journal_text.h"
#include "parameter_lines.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

// The second form has the message; a program that knows only the first must not take its lines for events.
constexpr std::string_view first_line = "postoffice journal 1\n";
constexpr std::string_view first_line_with_message = "postoffice journal 2\n";
constexpr std::string_view end_mark = "\nend of envelope\n";
constexpr std::string_view end_of_message = "\nend of message\n";

/// The octets of the message and its end mark in `text`, which begins with the message.
std::size_t length_of_message(const Journal& journal, std::string_view text) {
    const std::uint64_t size = journal.size.value_or(text.size());
    if (size >= text.size() || !text.substr(size).starts_with(end_of_message))
        throw FormatError("journal: the message in it is not whole");
    return size + end_of_message.size();
}

/// "mx.example.org [192.0.2.1]", apart again.
void split_client(std::string_view text, Origin& origin) {
    const auto bracket = text.rfind(" [");
    if (bracket == std::string_view::npos || !text.ends_with(']')) throw FormatError("journal: bad client");
    origin.client_name = unescaped(text.substr(0, bracket));
    origin.client_address = unescaped(text.substr(bracket + 2, text.size() - bracket - 3));
}

/// Lower-case letters, as all keys are.
bool is_key(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

/// DELIVERBY asks for a report of each message that was passed on: with a trace always, else where the next
/// host does not know the time (RFC 2852 section 4).
bool reports_relaying(const Recipient& recipient, const Scheduling& scheduling) {
    return scheduling.deliver_by && recipient.destination.is<Destination::Remote>() &&
           !recipient.wishes.notify.never;
}

/// False if it is another key.
bool read_origin_line(Origin& origin, std::string_view key, std::string_view value) {
    if (key == "client") {
        split_client(value, origin);
    } else if (key == "protocol") {
        origin.protocol = unescaped(value);
    } else if (key == "tls") {
        origin.tls = unescaped(value);
    } else if (key == "helo") {
        origin.helo = unescaped(value);
    } else if (key == "submitter") {
        origin.submitter = unescaped(value);
    } else {
        return false;
    }
    return true;
}

/// A key it does not know is passed over: a later version may write more.
void read_header_line(Journal& journal, std::string_view key, std::string_view value) {
    if (!is_key(key)) throw FormatError("journal: a line that is none of its own");
    Envelope& envelope = journal.envelope;
    if (read_origin_line(envelope.origin, key, value)) return;
    if (key == "id") {
        journal.id = unescaped(value);
    } else if (key == "arrived") {
        const auto when = parse_rfc3339_utc(value);
        if (!when) throw FormatError("journal: bad time of arrival");
        envelope.arrived = *when;
    } else if (key == "folder") {
        envelope.folder = value == "forbidden" ? MailFolder::forbidden
                          : value == "spam"    ? MailFolder::spam
                                               : MailFolder::inbox;
    } else if (key == "unwanted") {
        envelope.unwanted = unescaped(value);
    } else if (key == "verdict") {
        envelope.verdicts.push_back(unescaped(value));
    } else if (key == "hold") {
        journal.held = unescaped(value);  // until it is released, also for an envelope made of this one
    } else if (key == "size") {
        journal.size = parse_number(value);
        if (!journal.size) throw FormatError("journal: bad size");
    } else if (key == "checksum") {
        journal.checksum = parse_number(value);
        if (!journal.checksum) throw FormatError("journal: bad checksum");
    } else if (key == "from") {
        const auto sender = take_address(value);
        if (!sender || !value.empty()) throw FormatError("journal: bad sender");
        envelope.sender = *sender;
    } else if (key == "sent-by") {
        envelope.sent_by = take_address(value);
    } else if (key == "to") {
        const auto number = parse_number(read_until(value, ' '));
        const auto recipient = parse_destination(value);
        if (!recipient || number != envelope.recipients.size() + 1)
            throw FormatError("journal: bad recipient");
        envelope.recipients.push_back(*recipient);
    } else if (key == "elsewhere") {
        if (const auto recipient = parse_destination(value)) envelope.elsewhere.push_back(*recipient);
    } else if (!read_parameter_line(key, unescaped(value), envelope.parameters) && key == "body") {
        throw FormatError("journal: bad body");
    }
}

}  // namespace

std::size_t Journal::waiting() const {
    return static_cast<std::size_t>(std::count_if(
        recipients.begin(), recipients.end(),
        [](const RecipientState& state) { return state.status == RecipientState::Status::waiting; }));
}

bool Journal::is_finished() const {
    for (std::size_t i = 0; i < recipients.size(); ++i)
        if (recipients[i].status == RecipientState::Status::waiting || is_to_report(i)) return false;
    return true;
}

Seconds Journal::uncounted_until(UnixTime now) const {
    constexpr UnixTime counted_delay = 86400;  // cron may run the queue once a day
    const UnixTime due = std::max(next_attempt, envelope.deliverable_since());
    return uncounted + Seconds(std::max<UnixTime>(0, now - due - counted_delay));
}

bool Journal::is_to_report(std::size_t index) const {
    const RecipientState& state = recipients[index];
    if (state.reported) return false;
    if (state.status == RecipientState::Status::failed) return true;
    // A report has no sender to hear of its success (RFC 3461 section 6.1).
    const Recipient& recipient = envelope.recipients[index];
    if (state.status != RecipientState::Status::delivered || envelope.sender.is_null()) return false;
    return recipient.wishes.notify.success || reports_relaying(recipient, envelope.parameters.scheduling);
}

bool leads_there_already(const Journal& journal, const Recipient& recipient) {
    const std::string key = destination_key(recipient.destination);
    const auto& recipients = journal.envelope.recipients;
    for (std::size_t i = 0; i < recipients.size(); ++i) {
        const bool counts = journal.recipients[i].status != RecipientState::Status::failed ||
                            recipients[i].original == recipient.original;
        if (counts && destination_key(recipients[i].destination) == key) return true;
    }
    const auto& elsewhere = journal.envelope.elsewhere;
    return std::any_of(elsewhere.begin(), elsewhere.end(),
                       [&](const Recipient& other) { return destination_key(other.destination) == key; });
}

std::string journal_header(const std::string& id, const Envelope& envelope, std::optional<std::uint64_t> size,
                           std::optional<std::uint64_t> checksum) {
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
    if (envelope.folder != MailFolder::inbox)
        line("folder", envelope.folder == MailFolder::forbidden ? "forbidden" : "spam");
    line("unwanted", escaped(envelope.unwanted));
    for (const std::string& verdict : envelope.verdicts) line("verdict", escaped(verdict));
    // In front of the end mark: no crash leaves the message without it.
    if (envelope.hold) text += "hold: " + escaped(*envelope.hold) + "\n";
    MailParameters parameters = envelope.parameters;
    parameters.envelope_id = escaped(parameters.envelope_id);
    text += parameter_lines(parameters);
    if (size) line("size", fmt::format("{}", *size));
    if (checksum) line("checksum", fmt::format("{}", *checksum));
    if (envelope.sent_by) line("sent-by", address_text(*envelope.sent_by));
    line("from", address_text(envelope.sender));
    std::size_t number = 0;
    for (const Recipient& recipient : envelope.recipients)
        text += fmt::format("to: {} {}\n", ++number, destination_text(recipient));
    for (const Recipient& recipient : envelope.elsewhere) line("elsewhere", destination_text(recipient));
    text.append(end_mark.substr(1));
    return text;
}

std::string journal_with_message(const std::string& id, const Envelope& envelope, std::string_view message,
                                 std::optional<std::uint64_t> checksum) {
    std::string text = journal_header(id, envelope, message.size(), checksum);
    text.replace(0, first_line.size(), first_line_with_message);
    return text.append(message).append(end_of_message);
}

bool journal_is_unfinished(std::string_view text) {
    if (text.size() < first_line.size())
        return first_line.starts_with(text) || first_line_with_message.starts_with(text);
    return (text.starts_with(first_line) || text.starts_with(first_line_with_message)) &&
           text.find(end_mark) == std::string_view::npos;
}

Journal parse_journal(std::string_view text) {
    const bool has_message = text.starts_with(first_line_with_message);
    if (!has_message && !text.starts_with(first_line)) throw FormatError("not a journal");
    const auto end = text.find(end_mark);
    if (end == std::string_view::npos) throw FormatError("journal: no end of envelope");

    Journal journal;
    bool has_sender = false, has_arrived = false;
    std::string_view header = text.substr(first_line.size(), end + 1 - first_line.size());
    while (!header.empty()) {
        std::string_view value = read_until(header, '\n');
        const auto key = read_until(value, ':');
        if (value.starts_with(' ')) value.remove_prefix(1);
        read_header_line(journal, key, value);
        has_sender = has_sender || key == "from";
        has_arrived = has_arrived || key == "arrived";
    }
    if (journal.id.empty()) throw FormatError("journal: no id");
    if (!has_arrived) throw FormatError("journal: no time of arrival");
    if (!has_sender) throw FormatError("journal: no sender");
    if (journal.envelope.recipients.empty()) throw FormatError("journal: no recipients");
    journal.recipients.resize(journal.envelope.recipients.size());

    text.remove_prefix(end + end_mark.size());
    if (has_message) {
        journal.message_at = end + end_mark.size();
        text.remove_prefix(length_of_message(journal, text));
    }
    (void)apply_journal_events(journal, text);
    return journal;
}

std::string journal_without_message(std::string_view text) {
    const Journal journal = parse_journal(text);
    if (journal.message_at == 0) return std::string(text);
    const std::string_view envelope = text.substr(0, journal.message_at);
    text.remove_prefix(journal.message_at);
    text.remove_prefix(length_of_message(journal, text));
    return std::string(envelope).append(text);
}

std::size_t apply_journal_events(Journal& journal, std::string_view text) {
    const std::size_t whole = text.rfind('\n') + 1;  // 0 without one
    text = text.substr(0, whole);
    while (!text.empty()) {
        std::string_view event = read_until(text, '\n');
        const auto when = parse_rfc3339_utc(read_until(event, ' '));
        if (when) (void)apply_journal_event(journal, *when, event);
    }
    return whole;
}

}  // namespace postoffice
