#include "postoffice/mail/notification.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/mail/address.h"

namespace postoffice {
namespace {

// xchar, RFC 3461 section 4
bool is_xchar(char c) {
    return c > 0x20 && c < 0x7f && c != '+' && c != '=';
}

bool is_printable_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

bool is_address_type(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

// RFC 6533 section 3, utf-8-addr-unitext: a backslash, "+" and "=" are escaped like what is beyond ASCII.
std::string to_ascii_form(std::string_view text) {
    std::string result;
    while (const auto character = read_character(text)) {
        const bool plain = *character > 0x20 && *character < 0x7f && *character != '+' && *character != '=' &&
                           *character != '\\';
        if (plain)
            result += static_cast<char>(*character);
        else
            result += fmt::format("\\x{{{:X}}}", static_cast<std::uint32_t>(*character));
    }
    return result;
}

// True for what may stand behind "utf-8;": visible characters, and well-formed escapes.
bool is_utf8_address(std::string_view text) {
    if (text.empty() || !is_utf8(text)) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if ((c & 0x80) != 0) continue;
        if (c <= 0x20 || c == 0x7f || c == '=' || c == '+') return false;
        if (c != '\\') continue;
        const auto end = text.find('}', i);
        if (text.substr(i, 3) != "\\x{" || end == std::string_view::npos) return false;
        const auto digits = text.substr(i + 3, end - i - 3);
        if (digits.empty() || digits.size() > 6 ||
            !std::all_of(digits.begin(), digits.end(), [](char d) { return hex_value(d) >= 0; }))
            return false;
        i = end;
    }
    return true;
}

// Only what is beyond ASCII: the rest of it is escaped where that was needed.
std::string escape_beyond_ascii(std::string_view text) {
    std::string result;
    while (const auto character = read_character(text)) {
        if (*character < 0x80)
            result += static_cast<char>(*character);
        else
            result += fmt::format("\\x{{{:X}}}", static_cast<std::uint32_t>(*character));
    }
    return result;
}

}  // namespace

Notify Notify::without_success() const {
    Notify result = *this;
    result.success = false;
    result.never = is_given() && !failure && !delay;  // nothing given would mean failures
    return result;
}

std::string Notify::text() const {
    if (never) return "NEVER";
    std::string text;
    const auto add = [&text](bool wanted, std::string_view word) {
        if (wanted) text.append(text.empty() ? "" : ",").append(word);
    };
    add(success, "SUCCESS");
    add(failure, "FAILURE");
    add(delay, "DELAY");
    return text;
}

std::optional<Notify> parse_notify(std::string_view text) {
    if (equals_ignoring_case(text, "NEVER")) return Notify{.never = true};
    Notify notify;
    for (const auto word : split(text, ',')) {
        if (equals_ignoring_case(word, "SUCCESS"))
            notify.success = true;
        else if (equals_ignoring_case(word, "FAILURE"))
            notify.failure = true;
        else if (equals_ignoring_case(word, "DELAY"))
            notify.delay = true;
        else
            return std::nullopt;
    }
    return notify;
}

Notify combined(const Notify& a, const Notify& b) {
    if (a == b) return a;
    Notify result;
    result.success = a.success || b.success;
    result.failure = a.wants_failure() || b.wants_failure();
    result.delay = a.delay || b.delay;
    return result;
}

std::optional<ReturnPart> parse_return_part(std::string_view text) {
    if (equals_ignoring_case(text, "FULL")) return ReturnPart::full;
    if (equals_ignoring_case(text, "HDRS")) return ReturnPart::headers;
    return std::nullopt;
}

std::string_view return_part_text(ReturnPart part) {
    switch (part) {
        case ReturnPart::full:
            return "FULL";
        case ReturnPart::headers:
            return "HDRS";
        case ReturnPart::unspecified:
            break;
    }
    return "";
}

std::string to_xtext(std::string_view text) {
    std::string xtext;
    for (const char c : text) {
        if (is_xchar(c))
            xtext += c;
        else
            xtext += fmt::format("+{:02X}", static_cast<unsigned char>(c));
    }
    return xtext;
}

std::optional<std::string> from_xtext(std::string_view xtext) {
    std::string text;
    while (!xtext.empty()) {
        const char c = xtext.front();
        xtext.remove_prefix(1);
        if (c != '+') {
            if (!is_xchar(c)) return std::nullopt;
            text += c;
            continue;
        }
        if (xtext.size() < 2 || hex_value(xtext[0]) < 0 || hex_value(xtext[1]) < 0) return std::nullopt;
        text += static_cast<char>(hex_value(xtext[0]) * 16 + hex_value(xtext[1]));
        xtext.remove_prefix(2);
    }
    return text;
}

bool is_envelope_id(std::string_view xtext) {
    if (xtext.empty() || xtext.size() > max_envelope_id) return false;
    const auto text = from_xtext(xtext);
    return text && is_printable_ascii(*text);
}

std::optional<std::string> parse_original_recipient(std::string_view text) {
    if (text.size() > most_kept_original_recipient) return std::nullopt;
    const auto semicolon = text.find(';');
    if (semicolon == std::string_view::npos) return std::nullopt;
    const auto type = text.substr(0, semicolon);
    const auto address = text.substr(semicolon + 1);
    if (!is_address_type(type) || address.empty()) return std::nullopt;
    if (equals_ignoring_case(type, "utf-8")) {
        if (!is_utf8_address(address)) return std::nullopt;
        std::string ascii = "utf-8;" + escape_beyond_ascii(address);
        return ascii.size() <= most_kept_original_recipient ? std::optional(std::move(ascii)) : std::nullopt;
    }
    const auto decoded = from_xtext(address);
    if (!decoded || !is_printable_ascii(*decoded)) return std::nullopt;
    return std::string(text);
}

std::string original_recipient_of(const Address& address) {
    const std::string text = address.to_string();
    return is_ascii(text) ? "rfc822;" + to_xtext(text) : "utf-8;" + to_ascii_form(text);
}

std::string original_recipient_text(std::string_view original_recipient) {
    const auto type = read_until(original_recipient, ';');
    const bool is_xtext = !equals_ignoring_case(type, "utf-8");
    const auto decoded = is_xtext ? from_xtext(original_recipient) : std::nullopt;
    return fmt::format("{}; {}", type, decoded ? *decoded : std::string(original_recipient));
}

}  // namespace postoffice
