#include "postoffice/mail/dsn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/receiver.h"

namespace postoffice {
namespace {

// Text

bool has_eight_bit(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
}

/// One line of printable ASCII, whatever a remote host said: blanks for line ends, '?' for the rest.
std::string ascii_line(std::string_view text) {
    std::string result(trim(text).substr(0, 2000));
    for (char& c : result) {
        if (c == '\n' || c == '\r' || c == '\t') c = ' ';
        if (c < 0x20 || c > 0x7e) c = '?';
    }
    return result;
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

/// "Name: value\n", folded.
std::string field(std::string_view name, std::string_view value) {
    return fmt::format("{}: {}\n", name, wrapped(ascii_line(value), name.size() + 2, "  "));
}

// The original message

struct Original {
    bool is_readable = false;
    bool is_whole = false;
    std::string text;  // all of it, or its header
};

Original read_original(int fd) {
    Original original;
    if (fd < 0) return original;
    try {
        original.text.resize(most_returned_octets + 1);
        original.text.resize(disk::read_at(fd, original.text, 0));
    } catch (const std::system_error& error) {
        log_event("", "dsn", {{"original", "unreadable"}, {"error", error.what()}});
        return {};
    }
    original.is_readable = true;
    original.is_whole = original.text.size() <= most_returned_octets;
    if (original.is_whole) return original;
    auto end = original.text.find("\n\n");
    if (end == std::string::npos) end = original.text.rfind('\n');  // an endless header is cut at a line
    original.text.resize(end == std::string::npos ? 0 : end + 1);
    return original;
}

std::string_view header_of(std::string_view message) {
    if (message.starts_with('\n')) return {};
    const auto end = message.find("\n\n");
    return message.substr(0, end == std::string_view::npos ? end : end + 1);
}

/// The body of the first field of that name, still folded; empty if there is none.
std::string_view field_body(std::string_view header, std::string_view name) {
    while (!header.empty()) {
        std::size_t end = header.find('\n');
        while (end != std::string_view::npos && end + 1 < header.size() &&
               (header[end + 1] == ' ' || header[end + 1] == '\t'))
            end = header.find('\n', end + 1);
        const std::string_view whole = header.substr(0, end);
        header.remove_prefix(end == std::string_view::npos ? header.size() : end + 1);
        const auto colon = whole.find(':');
        if (colon != std::string_view::npos && equals_ignoring_case(trim(whole.substr(0, colon)), name))
            return whole.substr(colon + 1);
    }
    return {};
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
std::string thread_fields(std::string_view header) {
    const auto own = message_ids(field_body(header, "Message-ID"));
    if (own.empty()) return "";
    std::string fields = fmt::format("In-Reply-To: {}\nReferences:", own.front());
    constexpr std::size_t most_references = 20;
    const auto earlier = message_ids(field_body(header, "References"));
    for (std::size_t i = earlier.size() - std::min(earlier.size(), most_references); i < earlier.size(); ++i)
        fields += fmt::format(" {}\n", earlier[i]);
    return fields + fmt::format(" {}\n", own.front());
}

// The parts of the report

/// Who a delivery failed for, for people: what was asked for, and what that led to.
std::string recipient_text(const Recipient& recipient) {
    const std::string asked = ascii_line(recipient.original.to_string());
    const std::string final_one = ascii_line(recipient.target.address.to_string());
    if (asked == final_one) return fmt::format("<{}>", asked);
    return fmt::format("<{}>, which leads to <{}>", asked, final_one);
}

std::string tries_text(const Journal& journal, const RecipientState& state) {
    const UnixTime waited = state.last_attempt - journal.envelope.arrived;
    if (state.attempts < 2 || waited < 60) return "";
    return fmt::format("    Tried {} times in {}.\n", state.attempts,
                       duration_text(Seconds(waited / 60 * 60)));
}

std::string human_part(const Journal& journal, const DsnRequest& request, const Original& original) {
    std::string text = fmt::format("This is the mail system at {}.\n\n", request.hostname);
    text += fmt::format("Your message of {}\ncould not be delivered to:\n",
                        rfc5322_date(journal.envelope.arrived));
    for (const std::size_t index : request.failed) {
        const RecipientState& state = journal.recipients[index];
        text += fmt::format("\n  {}\n", recipient_text(journal.envelope.recipients[index]));
        const std::string reason = ascii_line(state.last.reply.line());
        if (!state.last.by.empty()) text += fmt::format("    {} said:\n", ascii_line(state.last.by));
        text += fmt::format("    {}\n", wrapped(reason, 4, "    "));
        text += tries_text(journal, state);
    }
    text +=
        request.failed.size() == 1 ? "\nIt will not be tried again. " : "\nThese will not be tried again. ";
    if (!original.is_readable)
        text += "The message itself could not be read any more.\n";
    else if (original.is_whole)
        text += "Your message is attached.\n";
    else
        text += "The header of your message is attached.\n";
    return text;
}

/// RFC 3463: class, subject, detail. A failure has class 5, or 4 when patience ran out.
bool is_failure_status(std::string_view status) {
    const auto parts = split(status, '.');
    if (parts.size() != 3 || (parts[0] != "4" && parts[0] != "5")) return false;
    return std::all_of(parts.begin() + 1, parts.end(),
                       [](std::string_view part) { return part.size() <= 3 && parse_number(part); });
}

/// "mx.example.org [192.0.2.1]": the name, or the literal where there is none.
std::string_view remote_name(std::string_view by) {
    return trim(by.substr(0, by.find(' ')));
}

std::string recipient_fields(const Recipient& recipient, const RecipientState& state) {
    const Reply& reply = state.last.reply;
    const std::string derived = reply.is_temporary() ? "4.0.0" : "5.0.0";
    std::string text = "\n";
    text += field("Original-Recipient", "rfc822; " + recipient.original.to_string());
    text += field("Final-Recipient", "rfc822; " + recipient.target.address.to_string());
    text += "Action: failed\n";
    text += field("Status", is_failure_status(reply.status) ? reply.status : derived);
    if (!state.last.by.empty()) {
        text += field("Remote-MTA", fmt::format("dns; {}", remote_name(state.last.by)));
        text += field("Diagnostic-Code", "smtp; " + reply.line());
    }
    if (state.last_attempt != 0) text += field("Last-Attempt-Date", rfc5322_date(state.last_attempt));
    return text;
}

std::string status_part(const Journal& journal, const DsnRequest& request) {
    std::string text = field("Reporting-MTA", "dns; " + request.hostname);
    text += field("Arrival-Date", rfc5322_date(journal.envelope.arrived));
    for (const std::size_t index : request.failed)
        text += recipient_fields(journal.envelope.recipients[index], journal.recipients[index]);
    return text;
}

std::string top_header(const DsnRequest& request, const std::string& boundary,
                       std::string_view original_header) {
    Envelope envelope;
    envelope.origin.protocol = "local";
    envelope.arrived = request.now;
    return received_field(request.hostname, request.id, envelope, "") +
           fmt::format("From: Mail Delivery System <MAILER-DAEMON@{}>\n", request.hostname) +
           field("To", request.to.to_string()) +
           fmt::format("Subject: Your message could not be delivered\nDate: {}\nMessage-ID: <{}@{}>\n",
                       rfc5322_date(request.now), request.id, request.hostname) +
           thread_fields(original_header) +
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

}  // namespace

Body write_dsn(Message& report, const Journal& journal, const DsnRequest& request, int original_fd) {
    const Original original = read_original(original_fd);
    const bool eight_bit = has_eight_bit(original.text);
    const std::string boundary = boundary_for(request.id, original.text);
    // RFC 2045 section 6.4: what encloses 8-bit text says so too.
    const std::string encoding = eight_bit ? "Content-Transfer-Encoding: 8bit\n" : "";

    std::string text = top_header(request, boundary, header_of(original.text)) + encoding;
    const auto part = [&](std::string_view type, std::string_view fields, std::string_view content) {
        text += fmt::format("\n--{}\nContent-Type: {}\n{}\n", boundary, type, fields);
        text += content;
    };
    part("text/plain; charset=us-ascii", "", human_part(journal, request, original));
    part("message/delivery-status", "", status_part(journal, request));
    if (original.is_readable)
        part(original.is_whole ? "message/rfc822" : "text/rfc822-headers", encoding, original.text);
    text += fmt::format("\n--{}--\n", boundary);
    report.append(text);
    return eight_bit ? Body::eight_bit_mime : Body::seven_bit;
}

}  // namespace postoffice
