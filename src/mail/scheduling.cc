#include "postoffice/mail/scheduling.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t most_digits = 9;
constexpr UnixTime most_seconds = 999'999'999;

std::optional<UnixTime> parse_seconds(std::string_view digits) {
    if (digits.empty() || digits.size() > most_digits) return std::nullopt;
    const auto number = parse_number(digits);
    if (!number) return std::nullopt;
    return static_cast<UnixTime>(*number);
}

/// Seconds east of UTC: "Z", "+01:00".
std::optional<UnixTime> parse_offset(std::string_view text) {
    if (text == "Z") return 0;
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
    const auto hours = parse_number(text.substr(1, 2));
    const auto minutes = parse_number(text.substr(4, 2));
    if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    const auto seconds = static_cast<UnixTime>(*hours * 3600 + *minutes * 60);
    return text[0] == '-' ? -seconds : seconds;
}

}  // namespace

std::optional<DeliverBy> parse_deliver_by(std::string_view value, UnixTime now) {
    std::string_view mode = value;
    std::string_view time = read_until(mode, ';');
    const bool is_past = time.starts_with('-');
    if (is_past || time.starts_with('+')) time.remove_prefix(1);
    const auto seconds = parse_seconds(time);
    if (!seconds || mode.empty() || mode.size() > 2) return std::nullopt;
    DeliverBy result;
    result.at = is_past ? now - *seconds : now + *seconds;
    result.returns = equals_ignoring_case(mode.substr(0, 1), "R");
    result.is_traced = mode.size() == 2;
    if (!result.returns && !equals_ignoring_case(mode.substr(0, 1), "N")) return std::nullopt;
    if (result.is_traced && !equals_ignoring_case(mode.substr(1), "T")) return std::nullopt;
    if (result.returns && result.at <= now) return std::nullopt;
    return result;
}

std::string deliver_by_value(const DeliverBy& deliver_by, UnixTime now) {
    const UnixTime left = std::clamp(deliver_by.at - now, -most_seconds, most_seconds);
    return fmt::format("{};{}{}", left, deliver_by.returns ? 'R' : 'N', deliver_by.is_traced ? "T" : "");
}

std::optional<UnixTime> parse_hold_for(std::string_view value, UnixTime now) {
    const auto seconds = parse_seconds(value);
    if (!seconds || *seconds == 0) return std::nullopt;
    return now + *seconds;
}

std::optional<UnixTime> parse_hold_until(std::string_view value) {
    constexpr std::size_t date_and_time = 19;
    if (value.size() <= date_and_time) return std::nullopt;
    const auto local = parse_rfc3339_utc(std::string(value.substr(0, date_and_time)) + "Z");
    std::string_view rest = value.substr(date_and_time);
    if (rest.starts_with('.')) {
        const auto end = rest.find_first_not_of("0123456789", 1);
        if (end == std::string_view::npos || end == 1) return std::nullopt;
        rest.remove_prefix(end);
    }
    const auto offset = parse_offset(rest);
    if (!local || !offset) return std::nullopt;
    return *local - *offset;
}

std::optional<int> parse_priority(std::string_view value) {
    const bool is_negative = value.starts_with('-');
    if (is_negative) value.remove_prefix(1);
    if (value.size() != 1 || !is_digit(value[0])) return std::nullopt;
    const int priority = value[0] - '0';
    return is_negative ? -priority : priority;
}

}  // namespace postoffice
