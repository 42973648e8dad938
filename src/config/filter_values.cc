// Values that describe filters, and what is expected of them.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "named_options.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

using OnFailure = FilterSettings::OnFailure;

constexpr std::array on_failure_words = {std::pair{"accept", OnFailure::accept},
                                         std::pair{"tempfail", OnFailure::tempfail},
                                         std::pair{"reject", OnFailure::reject}};

constexpr auto change_words = std::to_array<NamedFlag<FilterChanges>>({
    {"header", &FilterChanges::header},
    {"body", &FilterChanges::body},
    {"sender", &FilterChanges::sender},
    {"recipients", &FilterChanges::recipients},
    {"quarantine", &FilterChanges::quarantine},
});

constexpr auto skip_words = std::to_array<NamedFlag<FilterSettings>>({
    {"trusted", &FilterSettings::skip_trusted},
    {"login", &FilterSettings::skip_login},
    {"local", &FilterSettings::skip_local},
});

std::string set_changes(FilterSettings& filter, std::string_view value) {
    if (value == "all") return filter.changes = FilterChanges(), "";
    filter.changes = {false, false, false, false, false};
    return value == "none" ? "" : set_flags(filter.changes, value, change_words);
}

std::string set_skip(FilterSettings& filter, std::string_view value) {
    return set_flags(filter, value, skip_words);
}

std::string set_on_failure(FilterSettings& filter, std::string_view value) {
    for (const auto& [word, action] : on_failure_words)
        if (value == word) return filter.on_failure = action, "";
    return fmt::format("\"{}\" is none of accept, tempfail, reject", printable(value));
}

std::string set_refusal(FilterSettings& filter, std::string_view value) {
    return set_choice(filter.refuses_spam, value, "spam", "final");
}

template <auto Member>
std::string set_limit(FilterSettings& filter, std::string_view value) {
    const auto time = parse_duration(value);
    if (!time) return time.problem();
    if (*time == Seconds{0}) return "a time of 0 leaves no time for an answer";
    filter.*Member = *time;
    return "";
}

constexpr auto filter_options = std::to_array<NamedOption<FilterSettings>>({
    {"on-failure", set_on_failure},
    {"connect-timeout", set_limit<&FilterSettings::connect_time>},
    {"timeout", set_limit<&FilterSettings::answer_time>},
    {"message-timeout", set_limit<&FilterSettings::message_time>},
    {"changes", set_changes},
    {"skip", set_skip},
    {"refusal", set_refusal},
});

}  // namespace

std::string_view to_string(FilterSettings::OnFailure action) {
    for (const auto& [word, known] : on_failure_words)
        if (action == known) return word;
    return "";
}

Result<FilterSettings> parse_filter(std::string_view text) {
    auto options = text;
    const auto place = parse_socket_place(trim(read_until(options, ',')));
    if (!place) return Problem{place.problem()};
    FilterSettings filter{.place = *place};
    if (text.find(',') == text.npos) return filter;
    if (auto problem = set_named_options(filter, options, "filter", filter_options); !problem.empty())
        return Problem{std::move(problem)};
    return filter;
}

}  // namespace postoffice
