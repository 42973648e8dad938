#include "postoffice/queue/dsn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/mail/header.h"
#include "postoffice/queue/message_builder.h"

namespace postoffice {
namespace {

// Text

/// One line of printable text, whatever a remote host said: blanks for line ends, '?' for other controls and
/// for what is no UTF-8.
std::string text_line(std::string_view text) {
    std::string result(trim(text).substr(0, 2000));
    for (char& c : result)
        if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    return printable(result);
}

/// The same in ASCII, '?' for the rest.
std::string ascii_line(std::string_view text) {
    std::string result = text_line(text);
    for (char& c : result)
        if ((c & 0x80) != 0) c = '?';
    return result;
}

/// What the report as a whole is about: "delivered" only if that is true of all.
DsnAction main_action(const DsnRequest& request) {
    for (const DsnRequest::Entry& entry : request.entries)
        if (entry.action != DsnAction::delivered) return entry.action;
    return DsnAction::delivered;
}

std::string reporting_action(DsnAction action) {
    switch (action) {
        case DsnAction::failed:
            return "failed";
        case DsnAction::delayed:
            return "delayed";
        case DsnAction::delivered:
            return "delivered";
        case DsnAction::relayed:
            return "relayed";
        case DsnAction::expanded:
            break;
    }
    return "expanded";
}

/// Words on lines of at most 76 columns, all but the first begun with `indent`; longer words are cut.
std::string wrapped(std::string_view text, std::size_t first_column, std::string_view indent) {
    constexpr std::size_t width = 76;
    std::string result;
    std::size_t column = first_column;
    bool line_has_word = false;
    for (const auto word : split(text, ' ')) {
        if (word.empty()) continue;
        if (line_has_word && column + 1 + word.size() > width) {
            result += "\n";
            result += indent;
            column = indent.size();
            line_has_word = false;
        }
        if (line_has_word) {
            result += ' ';
            ++column;
        }
        result += word.substr(0, 900);  // RFC 5322 section 2.1.1: no line above 998
        column += word.size();
        line_has_word = true;
    }
    return result;
}

std::string field(std::string_view name, std::string_view value) {
    return folded_field(name, text_line(value));
}

// The original message

struct Original {
    bool is_readable = false;
    bool is_whole = false;
    std::string text;  // all of it, or its header
};

/// `id`: of the message. `whole`: the text, too, if it is not too large.
Original read_original(const std::string& id, int fd, bool whole) {
    Original original;
    if (fd < 0) return original;
    try {
        original.text.resize(most_returned_octets + 1);
        original.text.resize(disk::read_at(fd, original.text, 0));
    } catch (const std::system_error& error) {
        log_event(id, "message-unreadable", {{"reason", error.what()}});
        return {};
    }
    original.is_readable = true;
    original.is_whole = whole && original.text.size() <= most_returned_octets;
    if (original.is_whole) return original;
    auto end = original.text.find("\n\n");
    if (end == std::string::npos) end = original.text.rfind('\n');  // an endless header is cut at a line
    original.text.resize(end == std::string::npos ? 0 : end + 1);
    return original;
}

/// The well-formed message ids in a field body.
std::vector<std::string> message_ids(std::string_view body) {
    std::vector<std::string> ids;
    while (true) {
        const auto start = body.find('<');
        if (start == std::string_view::npos) return ids;
        body.remove_prefix(start);
        const auto end = body.find('>');
        if (end == std::string_view::npos) return ids;
        const auto id = body.substr(0, end + 1);
        const bool harmless = std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7f; });
        if (harmless && id.size() > 2 && id.size() <= 250) ids.emplace_back(id);
        body.remove_prefix(end + 1);
    }
}

/// In-Reply-To and References, by which a mail reader shows the report next to the message (RFC 5322 3.6.4).
std::string thread_fields(std::string_view message) {
    const auto ids_in = [message](std::string_view name) {
        const auto field = find_field(message, name);
        return field ? message_ids(field->body) : std::vector<std::string>();
    };
    const auto own = ids_in("Message-ID");
    if (own.empty()) return "";
    std::string fields = fmt::format("In-Reply-To: {}\nReferences:", own.front());
    constexpr std::size_t most_references = 20;
    const auto earlier = ids_in("References");
    for (std::size_t i = earlier.size() - std::min(earlier.size(), most_references); i < earlier.size(); ++i)
        fields += fmt::format(" {}\n", earlier[i]);
    return fields + fmt::format(" {}\n", own.front());
}

// The parts of the report

/// Where the mail went, as far as the reader of the report may know it (RFC 3464 section 4.2): what stands in
/// a user's own file is no business of the sender.
const Address& final_address(const Recipient& recipient) {
    return recipient.disclosed ? *recipient.disclosed : recipient.destination.address;
}

/// What a status means (RFC 3463 section 3), without a name. "" for the rare ones.
std::string_view meaning_of(std::string_view status) {
    static constexpr std::pair<std::string_view, std::string_view> meanings[] = {
        {"1.1", "No such mailbox"},
        {"1.2", "No such domain"},
        {"2.1", "The mailbox takes no mail"},
        {"2.2", "The mailbox is full"},
        {"3.4", "The message is too big"},
        {"4.1", "The host does not answer"},
        {"4.3", "DNS does not answer"},
        {"4.6", "Mail loop"},
        {"7.1", "Refused by a rule of the host"},
    };
    if (status.size() < 3) return "";
    for (const auto& [ending, meaning] : meanings)
        if (status.substr(2) == ending) return meaning;
    return "";
}

/// What the remote host said; of a message that was given up, at the last attempt. Where the address is not
/// disclosed, only the status: the text can name it.
std::string remote_words(const Recipient& recipient, const RecipientState& state) {
    const std::string line = ascii_line(state.last.reply.line());
    const auto mark = line.find(last_words_mark);
    std::string words = mark == line.npos ? line : line.substr(mark + last_words_mark.size());
    if (!recipient.disclosed) return words;
    const std::string code = words.substr(0, 3);
    const std::string status(
        split_enhanced_status(std::string_view(words).substr(std::min(words.size(), 4UL))).status);
    return std::string(trim(fmt::format("{} {} {}", code, status, meaning_of(status))));
}

/// Who it is about, for people: what was asked for, and what that led to.
std::string recipient_text(const Recipient& recipient) {
    const std::string asked = text_line(recipient.original.display_text());
    const std::string final_one = text_line(final_address(recipient).display_text());
    if (asked == final_one) return fmt::format("<{}>", asked);
    return fmt::format("<{}>, which leads to <{}>", asked, final_one);
}

std::string tries_text(const Journal& journal, const RecipientState& state) {
    const UnixTime waited = state.last_attempt - journal.envelope.arrived;
    if (state.attempts < 2 || waited < 60) return "";
    return fmt::format("    Tried {} times in {}.\n", state.attempts,
                       duration_text(Seconds(waited / 60 * 60)));
}

/// Why a recipient has no message, or not yet.
std::string trouble_text(const Journal& journal, std::size_t index) {
    const Recipient& recipient = journal.envelope.recipients[index];
    const RecipientState& state = journal.recipients[index];
    const std::string line = ascii_line(state.last.reply.line());
    const auto mark = line.find(last_words_mark);
    std::string text;
    if (mark != line.npos) text += fmt::format("    {}:\n", wrapped(line.substr(0, mark), 4, "    "));
    if (recipient.disclosed)
        text += "    The address that it leads to did not take the message:\n";
    else if (!state.last.by.empty())
        text += fmt::format("    {} said:\n", ascii_line(state.last.by));
    text += fmt::format("    {}\n", wrapped(remote_words(recipient, state), 4, "    "));
    return text + tries_text(journal, state);
}

std::string success_text(DsnAction action, const Recipient& recipient, const RecipientState& state) {
    if (action == DsnAction::delivered) return "    It has been delivered.\n";
    if (action == DsnAction::expanded)
        return "    It goes to everybody on this list; you will not hear of each.\n";
    if (recipient.disclosed) return "    It was passed on to another host.\n";
    return fmt::format("    It was passed on to {},\n    which does not tell what becomes of it.\n",
                       ascii_line(state.last.by));
}

std::string opening(const Journal& journal, const DsnRequest& request) {
    const DsnAction action = main_action(request);
    std::string_view what = "was passed on:";
    if (action == DsnAction::failed) what = "could not be delivered to:";
    if (action == DsnAction::delayed) what = "could not be delivered yet to:";
    if (action == DsnAction::delivered) what = "has arrived:";
    return fmt::format("{} message of {}\n{}\n", request.about_others ? "A" : "Your",
                       rfc5322_date(journal.envelope.arrived), what);
}

std::string closing(const DsnRequest& request, const Original& original) {
    std::string text = "\n";
    const DsnAction action = main_action(request);
    if (action == DsnAction::failed)
        text +=
            request.entries.size() == 1 ? "It will not be tried again. " : "These will not be tried again. ";
    if (action == DsnAction::delayed)
        text += fmt::format("{}t is tried until\n{}. ",
                            request.about_others ? "I" : "You need not send it again: i",
                            rfc5322_date(request.retry_until));
    if (!original.is_readable) return text + "The message itself could not be read any more.\n";
    const std::string_view whose = request.about_others ? "the" : "your";
    if (!original.is_whole) return text + fmt::format("The header of {} message is attached.\n", whose);
    return text + fmt::format("{} message is attached.\n", request.about_others ? "The" : "Your");
}

std::string human_part(const Journal& journal, const DsnRequest& request, const Original& original) {
    std::string text = fmt::format("This is the mail system at {}.\n\n", request.hostname);
    text += opening(journal, request);
    for (const auto& [index, action] : request.entries) {
        const RecipientState& state = journal.recipients[index];
        text += fmt::format("\n  {}\n", recipient_text(journal.envelope.recipients[index]));
        const bool is_trouble = action == DsnAction::failed || action == DsnAction::delayed;
        text += is_trouble ? trouble_text(journal, index)
                           : success_text(action, journal.envelope.recipients[index], state);
    }
    return text + closing(request, original);
}

/// RFC 3463: class, subject, detail. A failure has class 5, or 4 when patience ran out.
bool is_status(std::string_view status, DsnAction action) {
    const auto parts = split(status, '.');
    if (parts.size() != 3 || parts[0].size() != 1) return false;
    std::string_view classes = "2";
    if (action == DsnAction::failed) classes = "45";
    if (action == DsnAction::delayed) classes = "4";
    if (classes.find(parts[0][0]) == std::string_view::npos) return false;
    return std::all_of(parts.begin() + 1, parts.end(),
                       [](std::string_view part) { return part.size() <= 3 && parse_number(part); });
}

std::string status_of(const Reply& reply, DsnAction action) {
    if (is_status(reply.status, action)) return reply.status;
    if (action == DsnAction::failed) return reply.is_temporary() ? "4.0.0" : "5.0.0";
    return action == DsnAction::delayed ? "4.0.0" : "2.0.0";
}

/// "mx.example.org [192.0.2.1]": the name, or the literal where there is none.
std::string_view remote_name(std::string_view by) {
    return trim(by.substr(0, by.find(' ')));
}

/// RFC 6533 section 3: beyond ASCII the type is "utf-8", and in an ASCII report characters are escaped.
std::string address_value(const Address& address, bool utf8) {
    if (utf8 && address.needs_utf8()) return "utf-8; " + address.to_string();
    return original_recipient_text(original_recipient_of(address));
}

/// The address that the sender gave stands for an ORCPT that he did not give, since it is passed on to the
/// next host as one (RFC 3461 section 5.2.1); without it, nobody could tell whom a report through an alias is
/// about.
std::string original_value(const Recipient& recipient, bool utf8) {
    const std::string& given = recipient.wishes.original_recipient;
    return given.empty() ? address_value(recipient.original, utf8) : original_recipient_text(given);
}

std::string recipient_fields(const Journal& journal, const DsnRequest& request,
                             const DsnRequest::Entry& entry, bool utf8) {
    const Recipient& recipient = journal.envelope.recipients[entry.index];
    const RecipientState& state = journal.recipients[entry.index];
    std::string text = "\n";
    text += field("Original-Recipient", original_value(recipient, utf8));
    text += field("Final-Recipient", address_value(final_address(recipient), utf8));
    text += field("Action", reporting_action(entry.action));
    text += field("Status", status_of(state.last.reply, entry.action));
    if (!state.last.by.empty()) {
        if (!recipient.disclosed)
            text += field("Remote-MTA", fmt::format("dns; {}", remote_name(ascii_line(state.last.by))));
        text += field("Diagnostic-Code", "smtp; " + remote_words(recipient, state));
    }
    if (state.last_attempt != 0) text += field("Last-Attempt-Date", rfc5322_date(state.last_attempt));
    if (entry.action == DsnAction::delayed)
        text += field("Will-Retry-Until", rfc5322_date(request.retry_until));
    return text;
}

std::string status_part(const Journal& journal, const DsnRequest& request, bool utf8) {
    std::string text;
    if (const auto id = from_xtext(journal.envelope.parameters.envelope_id); id && !id->empty())
        text += field("Original-Envelope-Id", ascii_line(*id));
    text += field("Reporting-MTA", "dns; " + request.hostname);
    text += field("Arrival-Date", rfc5322_date(journal.envelope.arrived));
    for (const DsnRequest::Entry& entry : request.entries)
        text += recipient_fields(journal, request, entry, utf8);
    return text;
}

std::string subject_of(const DsnRequest& request) {
    const DsnAction action = main_action(request);
    const std::string subject = request.about_others ? "A message" : "Your message";
    if (action == DsnAction::failed) return subject + " could not be delivered";
    if (action == DsnAction::delayed) return subject + " is delayed";
    return subject + (action == DsnAction::delivered ? " was delivered" : " was passed on");
}

std::string top_header(const DsnRequest& request, const std::string& boundary, std::string_view original) {
    Envelope envelope;
    envelope.origin.protocol = "local";
    envelope.arrived = request.now;
    return received_field(request.hostname, request.id, envelope, "") +
           fmt::format("From: Mail Delivery System <MAILER-DAEMON@{}>\n", request.hostname) +
           field("To", request.to.to_string()) +
           fmt::format("Subject: {}\nDate: {}\nMessage-ID: <{}@{}>\n", subject_of(request),
                       rfc5322_date(request.now), request.id, request.hostname) +
           thread_fields(original) +
           fmt::format(
               "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
               "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"{}\"\n",
               boundary);
}

/// A line that is in no part. "=_" keeps it out of encoded text, the id out of most others.
std::string boundary_for(const std::string& id, std::string_view returned) {
    std::string boundary = "=_" + id;
    for (unsigned n = 0; returned.find(boundary) != std::string_view::npos; ++n)
        boundary = fmt::format("=_{}_{}", id, n);
    return boundary;
}

/// RFC 6533 section 6: what comes back of a message whose header is UTF-8.
std::string_view original_type(const Original& original, bool utf8_header) {
    if (original.is_whole) return utf8_header ? "message/global" : "message/rfc822";
    return utf8_header ? "message/global-headers" : "text/rfc822-headers";
}

}  // namespace

MailParameters write_dsn(Message& report, const Journal& journal, const DsnRequest& request,
                         int original_fd) {
    // RFC 3461 section 4.3: with anything but a failure comes the header, whatever was asked for.
    const bool whole = main_action(request) == DsnAction::failed &&
                       journal.envelope.parameters.return_part != ReturnPart::headers;
    const Original original = read_original(journal.id, original_fd, whole);
    const bool utf8 = request.to.needs_utf8();
    const std::string human = human_part(journal, request, original);
    const std::string status = status_part(journal, request, utf8);
    const bool eight_bit = !is_ascii(original.text) || !is_ascii(human) || !is_ascii(status);
    const std::string boundary = boundary_for(request.id, original.text);
    const auto encoding = [](std::string_view content) {
        return is_ascii(content) ? "" : "Content-Transfer-Encoding: 8bit\n";
    };

    // RFC 2045 section 6.4: what encloses 8-bit text says so too.
    std::string text = top_header(request, boundary, original.text);
    if (eight_bit) text += "Content-Transfer-Encoding: 8bit\n";
    const auto part = [&](std::string_view type, std::string_view content) {
        text += fmt::format("\n--{}\nContent-Type: {}\n{}\n", boundary, type, encoding(content));
        text += content;
    };
    part(is_ascii(human) ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8", human);
    part(utf8 ? "message/global-delivery-status" : "message/delivery-status", status);
    if (original.is_readable)
        part(original_type(original, journal.envelope.parameters.smtputf8), original.text);
    text += fmt::format("\n--{}--\n", boundary);
    report.append(text);
    return {eight_bit ? Body::eight_bit_mime : Body::seven_bit, utf8};
}

}  // namespace postoffice
