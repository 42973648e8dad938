#include "header_completion.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/clock.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/address_field.h"
#include "postoffice/mail/address_rewriting.h"
#include "postoffice/mail/header.h"
#include "postoffice/queue/spool.h"

namespace postoffice {
namespace {

constexpr std::string_view resent_prefix = "Resent-";

/// Its name is without a Resent- in front.
struct Field : HeaderField {
    explicit Field(const HeaderField& whole)
        : HeaderField(whole), resent(starts_with_ignoring_case(whole.name, resent_prefix)) {
        if (resent) name.remove_prefix(resent_prefix.size());
    }
    std::string_view up_to_colon() const { return text.substr(0, text.size() - body.size()); }

    bool resent;
};
using Fields = std::vector<Field>;

Fields split_fields(std::string_view header) {
    Fields fields;
    while (const auto field = read_field(header)) fields.emplace_back(*field);
    return fields;
}

bool names_recipients(const Field& field) {
    return field.is("To") || field.is("Cc") || field.is("Bcc");
}

/// A field that stands in a resending once (RFC 5322 section 3.6.6); recipients may be named in several.
bool is_single(const Field& field) {
    return field.is("Date") || field.is("From") || field.is("Sender") || field.is("Message-ID");
}

/// The fields of the newest resending: the block nearest the top (RFC 5322 section 3.6.6). It ends before a
/// field that is not of resending, and before one that begins an older block: a second one of those that
/// stand in a block once, or, when the block has both fields that none may lack, another one like that which
/// it began with.
Fields newest_resending(const Fields& fields) {
    Fields block;
    const auto has = [&block](std::string_view name) {
        return std::any_of(block.begin(), block.end(), [&](const Field& field) { return field.is(name); });
    };
    for (const Field& field : fields) {
        if (!field.resent) {
            if (block.empty()) continue;
            break;
        }
        const bool is_complete = has("Date") && has("From");
        if (is_single(field) && has(field.name)) break;
        if (is_complete && field.is(block.front().name)) break;
        block.push_back(field);
    }
    return block;
}

/// No recipient sees blind copies (RFC 5322 section 3.6.3); the other fields are written on delivery.
bool is_dropped(const Field& field) {
    return field.is("Bcc") || (!field.resent && (field.is("Return-Path") || field.is("Content-Length")));
}

void collect_recipients(const Field& field, CompletedHeader& result) {
    const std::string body = field_value(field.body);
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
        if (settings.complete && is_address_field(field.name)) {
            result.text.append(field.up_to_colon());
            result.text.append(qualify_mailboxes(field.body, settings.hostname));
        } else {
            result.text.append(field.text);
        }
    }
    if (settings.complete) result.text += missing_fields(fields, "", settings);
    result.text += '\n';
    return result;
}

}  // namespace postoffice
