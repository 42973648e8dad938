#include "postoffice/smtp/command.h"

#include <algorithm>

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"

namespace postoffice {
namespace {

bool is_control_octet(char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

// esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
bool is_keyword(std::string_view text) {
    return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
        return is_letter(c) || is_digit(c) || c == '-';
    });
}

// esmtp-value = 1*(%d33-60 / %d62-126 / UTF8-non-ascii); RFC 6531 section 3.3
bool is_value(std::string_view text) {
    return !text.empty() && is_utf8(text) && std::none_of(text.begin(), text.end(), [](char c) {
        return is_control_octet(c) || c == ' ' || c == '=';
    });
}

}  // namespace

std::optional<Command> parse_command(std::string_view line) {
    if (std::any_of(line.begin(), line.end(), is_control_octet)) return std::nullopt;
    const auto end = std::find_if_not(line.begin(), line.end(), is_letter);
    if (end == line.begin()) return std::nullopt;
    if (end != line.end() && *end != ' ' && *end != '\t') return std::nullopt;
    const auto length = static_cast<std::size_t>(end - line.begin());
    return Command{line.substr(0, length), trim(line.substr(length))};
}

Result<std::vector<Parameter>> parse_parameters(std::string_view text) {
    std::vector<Parameter> parameters;
    for (;;) {
        text = trim(text);
        if (text.empty()) return parameters;
        const auto word = text.substr(0, text.find_first_of(" \t"));
        text.remove_prefix(word.size());
        const auto equals = word.find('=');
        Parameter parameter{word.substr(0, equals), std::nullopt};
        if (equals != std::string_view::npos) parameter.value = word.substr(equals + 1);
        if (!is_keyword(parameter.keyword) || (parameter.value && !is_value(*parameter.value)))
            return Problem{"malformed parameter " + printable(word)};
        parameters.push_back(parameter);
    }
}

std::optional<std::string_view> after_keyword(std::string_view argument, std::string_view keyword) {
    if (!starts_with_ignoring_case(argument, keyword)) return std::nullopt;
    return trim(argument.substr(keyword.size()));
}

}  // namespace postoffice
