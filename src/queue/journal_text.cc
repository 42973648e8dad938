#include "journal_text.h"

#include <fmt/format.h>

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"

namespace postoffice {
std::string escaped(std::string_view text, std::string_view special) {
    std::string result;
    while (!text.empty()) {
        const std::string_view before = text;
        const auto character = read_character(text);
        if (!character) text.remove_prefix(1);
        const std::string_view octets = before.substr(0, before.size() - text.size());
        if (octets == "\\")
            result += "\\\\";
        else if (octets == "\n")
            result += "\\n";
        else if (character && !is_control(*character) &&
                 special.find(octets.front()) == std::string_view::npos)
            result += octets;
        else
            for (const char c : octets) result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
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
        } else if (text.size() >= 3 && text[0] == 'x' && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) {
            result += static_cast<char>(hex_value(text[1]) * 16 + hex_value(text[2]));
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
    const auto local_part = read_until(domain, '@');
    text.remove_prefix(end + 1);
    return Address(unescaped(local_part), unescaped(domain));
}

}  // namespace postoffice
