#include "postoffice/base/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace postoffice {
namespace {

// Not strftime: its names follow the locale, and mail speaks English.
constexpr std::array<const char*, 7> day_names = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> month_names = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::tm utc(UnixTime when) {
    const auto seconds = static_cast<std::time_t>(when);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return parts;
}

const char* day_name(const std::tm& t) {
    return day_names[static_cast<std::size_t>(t.tm_wday)];
}
const char* month_name(const std::tm& t) {
    return month_names[static_cast<std::size_t>(t.tm_mon)];
}

}  // namespace

UnixTime now_unix() {
    return static_cast<UnixTime>(std::time(nullptr));
}

int Deadline::poll_timeout() const {
    const auto left = std::chrono::ceil<Milliseconds>(when_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

std::string rfc5322_date(UnixTime when) {
    const auto seconds = static_cast<std::time_t>(when);
    std::tm t{};
    ::localtime_r(&seconds, &t);
    const long minutes = t.tm_gmtoff / 60;
    return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} {}{:02}{:02}", day_name(t), t.tm_mday, month_name(t),
                       t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec, minutes < 0 ? '-' : '+',
                       std::labs(minutes) / 60, std::labs(minutes) % 60);
}

std::string rfc3339_utc(UnixTime when) {
    const std::tm t = utc(when);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                       t.tm_hour, t.tm_min, t.tm_sec);
}

std::optional<UnixTime> parse_rfc3339_utc(std::string_view text) {
    if (text.size() != 20) return std::nullopt;
    const std::string copy(text);
    std::tm t{};
    if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2dZ", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour,
                    &t.tm_min, &t.tm_sec) != 6)
        return std::nullopt;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    const auto seconds = static_cast<UnixTime>(::timegm(&t));
    if (rfc3339_utc(seconds) != text) return std::nullopt;  // month 13, second 61 and the like
    return seconds;
}

std::string mailbox_date(UnixTime when) {
    const std::tm t = utc(when);
    return fmt::format("{} {} {:2} {:02}:{:02}:{:02} {}", day_name(t), month_name(t), t.tm_mday, t.tm_hour,
                       t.tm_min, t.tm_sec, t.tm_year + 1900);
}

std::string duration_text(Seconds span) {
    auto left = span.count();
    if (left <= 0) return "0s";
    std::string text;
    constexpr std::array<std::pair<std::int64_t, char>, 5> units = {
        {{604800, 'w'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}};
    for (const auto& [size, letter] : units)
        if (left >= size) {
            text += fmt::format("{}{}", left / size, letter);
            left %= size;
        }
    return text;
}

}  // namespace postoffice
