#include "postoffice/queue/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/mail/header.h"
#include "postoffice/queue/message_builder.h"

namespace postoffice {
namespace {

constexpr std::string_view eight_bit_field = "Content-Transfer-Encoding: 8bit\n";

std::string received(const ReportHeader& header) {
    Envelope envelope;
    envelope.origin.protocol = "local";
    envelope.arrived = header.now;
    return received_field(header.hostname, header.id, envelope, "");
}

/// All fields of a report but the last empty line.
std::string header_text(const ReportHeader& header, std::string_view type, bool is_eight_bit) {
    const Address from = header.from.is_null() ? Address("MAILER-DAEMON", header.hostname) : header.from;
    return (header.needs_received ? received(header) : "") +
           fmt::format("From: {} <{}>\n", header.from_name, from.to_string()) +
           folded_field("To", text_line(header.to.to_string())) +
           fmt::format("Subject: {}\nDate: {}\nMessage-ID: <{}@{}>\n", header.subject,
                       rfc5322_date(header.now), header.id, header.hostname) +
           header.more_fields +
           fmt::format("Auto-Submitted: auto-{}\nMIME-Version: 1.0\nContent-Type: {}\n",
                       header.is_answer ? "replied" : "generated", type) +
           std::string(is_eight_bit ? eight_bit_field : "");
}

std::string_view text_type(std::string_view text) {
    return is_ascii(text) ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8";
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

}  // namespace

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

std::string text_line(std::string_view text) {
    std::string result(trim(text).substr(0, 2000));
    for (char& c : result)
        if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    return printable(result);
}

std::string plain_report(const ReportHeader& header, std::string_view text) {
    return header_text(header, text_type(text), !is_ascii(text)).append("\n").append(text);
}

// RFC 2045 section 6.4: what encloses 8-bit text says so too.
void MultipartReport::begin(const ReportHeader& header, std::string_view type, bool is_eight_bit) {
    append(header_text(header, fmt::format("{};\n\tboundary=\"{}\"", type, boundary_), is_eight_bit));
}

void MultipartReport::begin_part(std::string_view type, bool is_eight_bit) {
    append(
        fmt::format("\n--{}\nContent-Type: {}\n{}\n", boundary_, type, is_eight_bit ? eight_bit_field : ""));
}

void MultipartReport::add(std::string_view type, std::string_view text) {
    begin_part(type, !is_ascii(text));
    append(text);
}

void MultipartReport::add_text(std::string_view text) {
    add(text_type(text), text);
}

void MultipartReport::end() {
    append(fmt::format("\n--{}--\n", boundary_));
}

/// "=_" keeps it out of encoded text, the id out of most others.
std::string boundary_for(const std::string& id, std::string_view text) {
    std::string boundary = "=_" + id;
    for (unsigned n = 0; text.find(boundary) != std::string_view::npos; ++n)
        boundary = fmt::format("=_{}_{}", id, n);
    return boundary;
}

}  // namespace postoffice
