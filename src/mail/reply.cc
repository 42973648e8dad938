#include "postoffice/mail/reply.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t wrap_column = 70;
// A word without a blank may pass the column, but no line may pass 512 octets with its end (RFC 5321
// section 4.5.3.1.5); this leaves room for code, status and CRLF.
constexpr std::size_t longest_reply_line = 480;

// Takes from `rest` what fits into `width` columns, breaking at a blank where there is one.
std::string_view read_piece(std::string_view& rest, std::size_t width) {
    if (rest.size() <= width) {
        const auto piece = rest;
        rest = {};
        return piece;
    }
    auto end = rest.rfind(' ', width);
    if (end == std::string_view::npos || end == 0) end = rest.find(' ', width);
    const auto piece = rest.substr(0, std::min(end, longest_reply_line));
    rest.remove_prefix(piece.size());
    if (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    return piece;
}

bool is_digits(std::string_view text, std::size_t most) {
    return !text.empty() && text.size() <= most &&
           text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string Reply::wire() const {
    const std::string prefix = status.empty() ? std::string() : status + " ";
    const std::size_t width =
        is_wrapped ? wrap_column - std::min(4 + prefix.size(), wrap_column / 2) : longest_reply_line;
    std::string result;
    result.reserve(text.size() + 32);
    std::string_view lines = text;
    do {
        const std::string clean = printable(read_until(lines, '\n'));
        std::string_view rest = clean;
        do {
            const auto piece = read_piece(rest, width);
            const bool is_last = rest.empty() && lines.empty();
            fmt::format_to(std::back_inserter(result), "{:03}{}{}{}\r\n", code, is_last ? ' ' : '-', prefix,
                           piece);
        } while (!rest.empty());
    } while (!lines.empty());
    return result;
}

std::string Reply::line() const {
    std::string result = fmt::format("{:03}", code);
    if (!status.empty()) result.append(" ").append(status);
    std::string_view lines = text;
    while (!lines.empty()) {
        const auto part = trim(read_until(lines, '\n'));
        if (!part.empty()) result.append(" ").append(printable(part));
    }
    return result;
}

StatusAndText split_enhanced_status(std::string_view text) {
    std::string_view rest = text;
    const auto status = read_until(rest, ' ');
    std::string_view numbers = status;
    const auto kind = read_until(numbers, '.');
    const auto subject = read_until(numbers, '.');
    const bool is_status =
        (kind == "2" || kind == "4" || kind == "5") && is_digits(subject, 3) && is_digits(numbers, 3);
    if (!is_status) return {{}, text};
    return {status, trim(rest)};
}

}  // namespace postoffice
