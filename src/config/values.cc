#include "postoffice/config/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "postoffice/base/text.h"

namespace postoffice {

namespace {

constexpr std::int64_t longest_duration = 10LL * 366 * 86400;

/// Takes the digits at the front of `rest`; nothing if there are none or too many.
std::optional<std::uint64_t> read_number(std::string_view& rest) {
    const auto end = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const auto number = parse_number(rest.substr(0, end));
    rest.remove_prefix(end);
    return number;
}

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
}

/// Seconds in a unit of time; 0 for a letter that is none.
std::int64_t unit_seconds(char letter) {
    switch (lower(letter)) {
        case 'w':
            return 7 * 86400;
        case 'd':
            return 86400;
        case 'h':
            return 3600;
        case 'm':
            return 60;
        case 's':
            return 1;
        default:
            return 0;
    }
}

}  // namespace

Result<bool> parse_flag(std::string_view text) {
    for (const auto word : {"1", "yes", "true", "on"})
        if (equals_ignoring_case(text, word)) return true;
    for (const auto word : {"0", "no", "false", "off"})
        if (equals_ignoring_case(text, word)) return false;
    return Problem{fmt::format("\"{}\" is neither 1 (on) nor 0 (off)", printable(text))};
}

Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t least, std::uint64_t most) {
    const auto number = parse_number(text);
    if (!number && (text.empty() || text.find_first_not_of("0123456789") != text.npos))
        return Problem{fmt::format("\"{}\" is not a whole number", printable(text))};
    if (!number || *number < least || *number > most)
        return Problem{fmt::format("{} is not between {} and {}", printable(text), least, most)};
    return *number;
}

Result<std::uint64_t> parse_size(std::string_view text, std::uint64_t unit) {
    auto rest = text;
    const bool digits = !text.empty() && is_digit(text[0]);
    const auto number = read_number(rest);
    if (rest.size() == 1) {
        switch (lower(rest[0])) {
            case 'k':
                unit = 1ULL << 10;
                break;
            case 'm':
                unit = 1ULL << 20;
                break;
            case 'g':
                unit = 1ULL << 30;
                break;
            default:
                unit = 0;
        }
    }
    if (!digits || rest.size() > 1 || unit == 0)
        return Problem{fmt::format("\"{}\" is not a size: a number, then k, m or g (10m)", printable(text))};
    // Half the range, so that sums of two sizes stay in it.
    if (!number || *number > std::numeric_limits<std::int64_t>::max() / unit)
        return Problem{fmt::format("{} is too large", printable(text))};
    return *number * unit;
}

Result<Seconds> parse_duration(std::string_view text) {
    const auto bad = [&] {
        return Problem{
            fmt::format("\"{}\" is not a time: numbers with w, d, h, m or s (1h30m)", printable(text))};
    };
    const auto too_long = [&] {
        return Problem{fmt::format("{} is longer than ten years", printable(text))};
    };
    std::int64_t sum = 0;
    std::int64_t last_unit = std::numeric_limits<std::int64_t>::max();
    if (text.empty()) return bad();
    for (auto rest = text; !rest.empty();) {
        if (rest[0] < '0' || rest[0] > '9') return bad();
        const auto number = read_number(rest);
        const bool bare = rest.empty();
        const std::int64_t unit = bare ? 1 : unit_seconds(rest[0]);
        if (unit == 0 || unit >= last_unit) return bad();
        if (bare && last_unit != std::numeric_limits<std::int64_t>::max()) return bad();  // "1h30": 30 what?
        if (!number || *number > static_cast<std::uint64_t>(longest_duration / unit)) return too_long();
        sum += static_cast<std::int64_t>(*number) * unit;
        if (sum > longest_duration) return too_long();
        last_unit = unit;
        if (!bare) rest.remove_prefix(1);
    }
    return Seconds{sum};
}

Result<std::vector<Seconds>> parse_durations(std::string_view text) {
    std::vector<Seconds> times;
    for (const auto part : split(text, ',')) {
        const auto time = parse_duration(trim(part));
        if (!time) return Problem{time.problem()};
        if (*time == Seconds{0}) return Problem{"a wait of 0 would try without pause"};
        times.push_back(*time);
    }
    return times;
}

Result<RateLimit> parse_rate(std::string_view text) {
    constexpr std::uint64_t most = 1'000'000;
    if (text == "0") return RateLimit{};
    auto time_text = text;
    const auto count = parse_count(trim(read_until(time_text, '/')), 1, most);
    const auto time = parse_duration(trim(time_text));
    if (text.find('/') == text.npos || !count || !time || *time == Seconds{0})
        return Problem{fmt::format(
            "\"{}\" is not a rate: a number from 1 to {}, /, and a time (100/1h), or 0 for no limit",
            printable(text), most)};
    return RateLimit{*count, *time};
}

Result<std::string> parse_login(std::string_view text) {
    constexpr std::string_view others = "-_.$";
    const auto fits = [&](char c) { return is_letter_or_digit(c) || others.find(c) != others.npos; };
    if (text.empty() || text.size() > 64 || text[0] == '-' || !std::all_of(text.begin(), text.end(), fits))
        return Problem{"\"" + printable(text) + "\" is not the name of an account"};
    return std::string(text);
}

Result<AccountName> parse_account_name(std::string_view text) {
    const auto colon = text.find(':');
    const auto user = parse_login(text.substr(0, colon));
    if (!user) return Problem{user.problem()};
    AccountName account{*user, ""};
    if (colon != text.npos) {
        const auto group = parse_login(text.substr(colon + 1));
        if (!group) return Problem{group.problem()};
        account.group = *group;
    }
    for (const auto& name : {account.user, account.group})
        if (name == "root" || name == "0")
            return Problem{"mailboxes of virtual users are never written as root"};
    return account;
}

Result<std::string> parse_absolute_path(std::string_view text) {
    if (text.empty() || text[0] != '/')
        return Problem{fmt::format("\"{}\" is not an absolute path", printable(text))};
    std::string path;
    for (const auto part : split(text, '/')) {
        if (part.empty()) continue;
        if (part == "." || part == "..")
            return Problem{fmt::format("{}: \"{}\" has no place in this path", printable(text), part)};
        path += '/';
        path += part;
    }
    return path.empty() ? "/" : path;
}

}  // namespace postoffice
