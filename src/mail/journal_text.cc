#include "journal_text.h"

#include <fmt/format.h>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

}  // namespace

std::string escaped(std::string_view text, std::string_view special) {
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

std::string address_text(const Address& address) {
    std::string text = "<" + escaped(address.local_part(), " @<>");
    if (address.is_qualified()) text += "@" + escaped(address.domain(), " @<>");
    return text + ">";
}

std::optional<Address> take_address(std::string_view& text) {
    if (!text.starts_with('<')) return std::nullopt;
    const auto end = text.find('>');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view domain = text.substr(1, end - 1);
    const auto local_part = take_until(domain, '@');
    text.remove_prefix(end + 1);
    return Address(unescaped(local_part), unescaped(domain));
}

}  // namespace postoffice
