#include "postoffice/base/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

#include "postoffice/base/text.h"

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
    constexpr std::string_view form = "0000-00-00T00:00:00Z";
    const auto fits = [](char c, char of_form) { return of_form == '0' ? is_digit(c) : c == of_form; };
    if (!std::equal(text.begin(), text.end(), form.begin(), form.end(), fits)) return std::nullopt;
    const auto number = [&](std::size_t from, std::size_t digits) {
        int value = 0;
        for (const char c : text.substr(from, digits)) value = value * 10 + (c - '0');
        return value;
    };
    const auto part = [&](std::size_t from) { return static_cast<unsigned>(number(from, 2)); };
    const std::chrono::year_month_day day{std::chrono::year(number(0, 4)), std::chrono::month(part(5)),
                                          std::chrono::day(part(8))};
    const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
    if (!day.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
    const Seconds midnight = std::chrono::sys_days(day).time_since_epoch();
    return midnight.count() + (hour * 60 + minute) * 60 + second;
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
