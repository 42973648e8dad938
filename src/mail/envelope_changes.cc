#include "postoffice/mail/envelope_changes.h"

#include <fmt/format.h>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

std::optional<Address> parse_wire_address(std::string_view text, bool allow_null) {
    const std::string path = text.starts_with('<') ? std::string(text) : fmt::format("<{}>", text);
    const auto parsed =
        parse_path(path, {.allow_null = allow_null, .allow_unqualified = true, .lenient = true});
    if (!parsed || !parsed->parameters.empty()) return std::nullopt;
    return parsed->address;
}

/// Calls `read` with the keyword and the value of each parameter; false if one of the calls returned false.
template <class Read>
bool read_each(std::string_view parameters, Read read) {
    for (const auto parameter : split(parameters, ' ')) {
        std::string_view value = trim(parameter);
        const auto keyword = read_until(value, '=');
        if (!keyword.empty() && !read(keyword, value)) return false;
    }
    return true;
}

}  // namespace

void EnvelopeChanges::add(const EnvelopeChanges& later) {
    if (later.sender) sender = later.sender;
    if (later.hold && !hold) hold = later.hold;
    recipients.insert(recipients.end(), later.recipients.begin(), later.recipients.end());
}

std::optional<WireEnvelope::To> parse_added_recipient(std::string_view address, std::string_view parameters) {
    const auto parsed = parse_wire_address(address, false);
    if (!parsed) return std::nullopt;
    WireEnvelope::To to(*parsed);
    const bool is_understood = read_each(parameters, [&](std::string_view keyword, std::string_view value) {
        if (equals_ignoring_case(keyword, "NOTIFY")) {
            const auto notify = parse_notify(value);
            to.wishes.notify = notify.value_or(Notify());
            return notify.has_value();
        }
        if (!equals_ignoring_case(keyword, "ORCPT")) return true;
        const auto original = parse_original_recipient(value);
        to.wishes.original_recipient = original.value_or("");
        return original.has_value();
    });
    return is_understood ? std::optional(to) : std::nullopt;
}

std::optional<EnvelopeChanges::Sender> parse_changed_sender(std::string_view address,
                                                            std::string_view parameters) {
    const auto parsed = parse_wire_address(address, true);
    if (!parsed) return std::nullopt;
    EnvelopeChanges::Sender sender{*parsed};
    const bool is_understood = read_each(parameters, [&](std::string_view keyword, std::string_view value) {
        if (equals_ignoring_case(keyword, "RET")) {
            sender.return_part = parse_return_part(value);
            return sender.return_part.has_value();
        }
        if (!equals_ignoring_case(keyword, "ENVID")) return true;
        sender.envelope_id = value;
        return is_envelope_id(value);
    });
    return is_understood ? std::optional(sender) : std::nullopt;
}

}  // namespace postoffice
