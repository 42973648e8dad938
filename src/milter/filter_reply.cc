#include "filter_reply.h"

#include <algorithm>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"

namespace postoffice::milter {
namespace {

constexpr std::size_t most_text = 4096;

/// libmilter wants a percent sign to be doubled, so that it is none of printf(3).
std::string plain_text(std::string_view line) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const auto octet = static_cast<unsigned char>(line[i]);
        text += octet < 0x20 || octet > 0x7e ? '?' : line[i];
        if (line.substr(i, 2) == "%%") ++i;
    }
    return text;
}

bool has_code(std::string_view line) {
    return line.size() >= 3 && (line[0] == '4' || line[0] == '5') && is_digit(line[1]) && is_digit(line[2]);
}

}  // namespace

Reply parse_filter_reply(std::string_view text) {
    text = trim(text.substr(0, most_text));
    if (!has_code(text)) throw FormatError("a reply of it does not begin with a code of 4xx or 5xx");
    const std::string_view code = text.substr(0, 3);
    Reply reply{(code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'), "", ""};
    for (const auto part : split(text, '\n')) {
        std::string_view line = trim(part);
        if (line.starts_with(code)) line.remove_prefix(std::min<std::size_t>(line.size(), 4));
        const auto [status, words] = split_enhanced_status(line);
        if (reply.status.empty() && !status.empty() && status[0] == code[0]) reply.status = status;
        if (!reply.text.empty()) reply.text += '\n';
        reply.text += plain_text(words);
    }
    if (reply.status.empty()) reply.status = code[0] == '4' ? "4.7.1" : "5.7.1";
    if (trim(reply.text).empty()) reply.text = "Refused by a filter";
    return reply;
}

}  // namespace postoffice::milter
