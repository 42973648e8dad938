// Values that describe filters, and what is expected of them.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

using OnFailure = FilterSettings::OnFailure;

constexpr std::array on_failure_words = {std::pair{"accept", OnFailure::accept},
                                         std::pair{"tempfail", OnFailure::tempfail},
                                         std::pair{"reject", OnFailure::reject}};

/// One word of "header+body".
bool allow_change(FilterChanges& changes, std::string_view word) {
    if (word == "header") return changes.header = true;
    if (word == "body") return changes.body = true;
    if (word == "sender") return changes.sender = true;
    if (word == "recipients") return changes.recipients = true;
    if (word == "quarantine") return changes.quarantine = true;
    return false;
}

std::string set_changes(FilterSettings& filter, std::string_view value) {
    if (value == "all") return filter.changes = FilterChanges(), "";
    filter.changes = {false, false, false, false, false};
    if (value == "none") return "";
    for (const auto word : split(value, '+'))
        if (!allow_change(filter.changes, trim(word)))
            return fmt::format(
                "changes: \"{}\" is none of all, none, header, body, sender, recipients, quarantine",
                printable(word));
    return "";
}

std::string set_skip(FilterSettings& filter, std::string_view value) {
    for (const auto part : split(value, '+')) {
        const auto word = trim(part);
        if (word != "trusted" && word != "login" && word != "local")
            return fmt::format("skip: \"{}\" is none of trusted, login, local", printable(word));
        (word == "trusted" ? filter.skip_trusted
         : word == "login" ? filter.skip_login
                           : filter.skip_local) = true;
    }
    return "";
}

std::string set_on_failure(FilterSettings& filter, std::string_view value) {
    for (const auto& [word, action] : on_failure_words)
        if (value == word) return filter.on_failure = action, "";
    return fmt::format("on-failure: \"{}\" is none of accept, tempfail, reject", printable(value));
}

std::string set_refusal(FilterSettings& filter, std::string_view value) {
    filter.refuses_spam = value == "spam";
    return value == "spam" || value == "final"
               ? ""
               : fmt::format("refusal: \"{}\" is neither final nor spam", printable(value));
}

template <auto Member>
std::string set_limit(FilterSettings& filter, std::string_view value) {
    const auto time = parse_duration(value);
    if (!time) return time.problem();
    if (*time == Seconds{0}) return "a time of 0 leaves no time for an answer";
    filter.*Member = *time;
    return "";
}

struct FilterOption {
    std::string_view name;
    std::string (*set)(FilterSettings&, std::string_view value);
};
constexpr auto filter_options = std::to_array<FilterOption>({
    {"on-failure", set_on_failure},
    {"connect-timeout", set_limit<&FilterSettings::connect_time>},
    {"timeout", set_limit<&FilterSettings::answer_time>},
    {"message-timeout", set_limit<&FilterSettings::message_time>},
    {"changes", set_changes},
    {"skip", set_skip},
    {"refusal", set_refusal},
});

std::string set_filter_option(FilterSettings& filter, std::string_view text) {
    auto value = text;
    const auto name = trim(read_until(value, '='));
    for (const FilterOption& option : filter_options)
        if (name == option.name) return option.set(filter, trim(value));
    return fmt::format(
        "\"{}\" is not an option of filter: on-failure, timeout, message-timeout, "
        "connect-timeout, changes, skip, refusal",
        printable(name));
}

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
    for (const auto option : split(options, ','))
        if (auto problem = set_filter_option(filter, trim(option)); !problem.empty())
            return Problem{std::move(problem)};
    return filter;
}

}  // namespace postoffice
