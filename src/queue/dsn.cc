#include "postoffice/queue/dsn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "dsn_text.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/mail/header.h"
#include "postoffice/queue/report.h"

namespace postoffice {
namespace {

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

std::string field(std::string_view name, std::string_view value) {
    return folded_field(name, text_line(value));
}

/// `id`: of the message. `whole`: the text, too, if it is not too large.
ReturnedMessage read_returned(const std::string& id, int fd, bool whole) {
    ReturnedMessage returned;
    if (fd < 0) return returned;
    try {
        returned.text.resize(most_returned_octets + 1);
        returned.text.resize(disk::read_at(fd, returned.text, 0));
    } catch (const std::system_error& error) {
        log_event(id, "message-unreadable", {{"reason", error.what()}});
        return {};
    }
    returned.is_readable = true;
    returned.is_whole = whole && returned.text.size() <= most_returned_octets;
    if (returned.is_whole) return returned;
    auto end = returned.text.find("\n\n");
    if (end == std::string::npos) end = returned.text.rfind('\n');  // an endless header is cut at a line
    returned.text.resize(end == std::string::npos ? 0 : end + 1);
    return returned;
}

/// RFC 3463: class, subject, detail. A failure has class 5, or 4 for a message that waited too long.
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

std::string status_code_of(const Reply& reply, DsnAction action) {
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

/// Without an ORCPT the address that the sender gave stands for it, since it is passed on to the next host as
/// one (RFC 3461 section 5.2.1); without it, no reader could tell which recipient a report through an alias
/// is about.
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
    text += field("Status", status_code_of(state.last.reply, entry.action));
    if (!state.last.by.empty()) {
        if (!recipient.disclosed)
            text += field("Remote-MTA", fmt::format("dns; {}", remote_name(ascii_line(state.last.by))));
        text += field("Diagnostic-Code", "smtp; " + remote_words(recipient, state));
    } else if (!state.last.reply.text.empty()) {
        text += field("Diagnostic-Code", "x-postoffice; " + remote_words(recipient, state));
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
    const Scheduling& scheduling = journal.envelope.parameters.scheduling;
    if (scheduling.deliver_by)  // RFC 2852 section 5
        text += field("Deliver-By-Date", rfc5322_date(scheduling.deliver_by->at));
    for (const DsnRequest::Entry& entry : request.entries)
        text += recipient_fields(journal, request, entry, utf8);
    return text;
}

/// RFC 6533 section 6: what comes back of a message whose header is UTF-8.
std::string_view returned_type(const ReturnedMessage& returned, bool utf8_header) {
    if (returned.is_whole) return utf8_header ? "message/global" : "message/rfc822";
    return utf8_header ? "message/global-headers" : "text/rfc822-headers";
}

}  // namespace

MailParameters write_dsn(Message& report, const Journal& journal, const DsnRequest& request, int original) {
    // RFC 3461 section 4.3: with anything but a failure comes the header, whatever was asked for. RFC 8689
    // section 5: nor does the text come back of what was to be kept secret.
    const bool is_secret = journal.envelope.parameters.tls == TlsWish::required;
    const bool whole = main_action(request) == DsnAction::failed && !is_secret &&
                       journal.envelope.parameters.return_part != ReturnPart::headers;
    const ReturnedMessage returned = read_returned(journal.id, original, whole);
    const bool utf8 = request.to.needs_utf8();
    const std::string human = human_part(journal, request, returned);
    const std::string status = status_part(journal, request, utf8);
    const bool eight_bit = !is_ascii(returned.text) || !is_ascii(human) || !is_ascii(status);

    MultipartReport parts(report, boundary_for(request.id, returned.text));
    parts.begin({.id = request.id,
                 .hostname = request.hostname,
                 .to = request.to,
                 .subject = subject_of(request),
                 .now = request.now,
                 .more_fields = thread_fields(returned.text)},
                "multipart/report; report-type=delivery-status", eight_bit);
    parts.add_text(human);
    parts.add(utf8 ? "message/global-delivery-status" : "message/delivery-status", status);
    if (returned.is_readable)
        parts.add(returned_type(returned, journal.envelope.parameters.smtputf8), returned.text);
    parts.end();
    MailParameters parameters{eight_bit ? Body::eight_bit_mime : Body::seven_bit, utf8};
    if (is_secret) parameters.tls = TlsWish::required;
    return parameters;
}

}  // namespace postoffice
