#include "header_completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "address_field.h"
#include "postoffice/base/clock.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/spool.h"

namespace postoffice {
namespace {

constexpr std::size_t npos = std::string_view::npos;
constexpr std::string_view resent_prefix = "Resent-";

struct Field {
    std::string_view name;  // without a Resent- in front
    bool resent;
    std::string_view text;  // all of its lines
    std::size_t body_at;    // offset in text, behind the colon

    bool is(std::string_view other) const { return equals_ignoring_case(name, other); }
    std::string_view body() const { return text.substr(body_at); }
};
using Fields = std::vector<Field>;

Field make_field(std::string_view text) {
    const std::size_t colon = text.find(':');
    std::string_view name = trim(text.substr(0, colon));
    const bool resent = starts_with_ignoring_case(name, resent_prefix);
    if (resent) name.remove_prefix(resent_prefix.size());
    return {name, resent, text, colon + 1};
}

Fields split_fields(std::string_view header) {
    Fields fields;
    while (!header.empty()) {
        std::size_t end = 0;
        do {
            const std::size_t newline = header.find('\n', end);
            end = newline == npos ? header.size() : newline + 1;
        } while (end < header.size() && (header[end] == ' ' || header[end] == '\t'));
        fields.push_back(make_field(header.substr(0, end)));
        header.remove_prefix(end);
    }
    return fields;
}

/// The fields of the newest resending: the block nearest the top (RFC 5322 section 3.6.6). It ends before a
/// field that is not of resending, and before one that it already has.
Fields newest_resending(const Fields& fields) {
    Fields block;
    for (const Field& field : fields) {
        const auto same = [&](const Field& other) { return other.is(field.name); };
        if (field.resent && std::none_of(block.begin(), block.end(), same)) {
            block.push_back(field);
        } else if (!block.empty()) {
            break;
        }
    }
    return block;
}

bool names_recipients(const Field& field) {
    return field.is("To") || field.is("Cc") || field.is("Bcc");
}

/// Blind copies are for nobody's eyes (RFC 5322 section 3.6.3); the others are for delivery to write.
bool is_dropped(const Field& field) {
    return field.is("Bcc") || (!field.resent && (field.is("Return-Path") || field.is("Content-Length")));
}

bool holds_addresses(const Field& field) {
    static constexpr std::array<std::string_view, 5> names{"From", "Sender", "To", "Cc", "Reply-To"};
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return field.is(name); });
}

void collect_recipients(const Field& field, CompletedHeader& result) {
    std::string body(field.body());
    std::replace(body.begin(), body.end(), '\n', ' ');
    for (const MailboxText& mailbox : find_mailboxes(body)) {
        auto addresses = parse_address_list(mailbox.text);
        if (!addresses) {
            result.bad_recipients.emplace_back(mailbox.text);
            continue;
        }
        for (Address& address : *addresses) {
            if (address.is_null()) {
                result.bad_recipients.emplace_back(mailbox.text);
            } else {
                result.recipients.push_back(std::move(address));
            }
        }
    }
}

/// Recipients are those of the newest resending that names any; without one, those of the message.
void find_recipients(const Fields& fields, CompletedHeader& result) {
    const Fields block = newest_resending(fields);
    const bool resent = std::any_of(block.begin(), block.end(), names_recipients);
    for (const Field& field : resent ? block : fields)
        if (names_recipients(field) && field.resent == resent) collect_recipients(field, result);
}

/// Date, From and Message-ID where `fields` has none; `prefix` is "Resent-" for a resending.
std::string missing_fields(const Fields& fields, std::string_view prefix, const HeaderSettings& settings) {
    const auto has = [&](std::string_view name) {
        return std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
            return field.is(name) && field.resent == !prefix.empty();
        });
    };
    std::string text;
    if (!has("Date")) text += fmt::format("{}Date: {}\n", prefix, rfc5322_date(now_unix()));
    if (!has("From")) {
        const std::string name = display_name(settings.full_name);
        text += name.empty() ? fmt::format("{}From: {}\n", prefix, settings.from)
                             : fmt::format("{}From: {} <{}>\n", prefix, name, settings.from);
    }
    if (!has("Message-ID"))
        text += fmt::format("{}Message-ID: <{}@{}>\n", prefix, Spool::new_id(), settings.hostname);
    return text;
}

}  // namespace

CompletedHeader complete_header(std::string_view header, const HeaderSettings& settings) {
    CompletedHeader result;
    const Fields fields = split_fields(header);
    find_recipients(fields, result);
    if (settings.complete) {
        const Fields block = newest_resending(fields);
        if (!block.empty()) result.text = missing_fields(block, resent_prefix, settings);
    }
    for (const Field& field : fields) {
        if (field.is("Received")) ++result.received;
        if (is_dropped(field)) continue;
        if (settings.complete && holds_addresses(field)) {
            result.text.append(field.text.substr(0, field.body_at));
            result.text.append(qualify_mailboxes(field.body(), settings.hostname));
        } else {
            result.text.append(field.text);
        }
    }
    if (settings.complete) result.text += missing_fields(fields, "", settings);
    result.text += '\n';
    return result;
}

bool is_field_line(std::string_view line) {
    std::size_t end = 0;
    while (end < line.size() && line[end] > ' ' && line[end] <= '~' && line[end] != ':') ++end;
    if (end == 0) return false;
    while (end < line.size() && (line[end] == ' ' || line[end] == '\t')) ++end;
    return end < line.size() && line[end] == ':';
}

}  // namespace postoffice
