#include "postoffice/outbound/sts_policy.h"

#include <algorithm>
#include <optional>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::string_view version = "STSv1";
constexpr std::uint64_t longest_age = 31'557'600;  // seconds (section 3.2)
constexpr std::size_t most_hosts = 1000;
constexpr std::size_t longest_id = 32;

bool is_name(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    const auto labels = split(text, '.');
    return std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
        return !label.empty() && label.size() <= 63 && std::all_of(label.begin(), label.end(), [](char c) {
            return is_letter_or_digit(c) || c == '-' || c == '_';
        });
    });
}

std::optional<StsPolicy::Mode> mode_named(std::string_view name) {
    if (name == "none") return StsPolicy::Mode::none;
    if (name == "testing") return StsPolicy::Mode::testing;
    if (name == "enforce") return StsPolicy::Mode::enforce;
    return std::nullopt;
}

/// The fields of a policy; of those that may stand there once, the first counts (section 3.2).
struct Fields {
    std::optional<std::string_view> version, mode, max_age;
    std::vector<std::string> hosts;
};

std::string add_host(Fields& fields, std::string_view value) {
    const bool is_pattern = value.starts_with("*.");
    if (!is_name(is_pattern ? value.substr(2) : value)) return "mx is no host name: " + printable(value);
    if (fields.hosts.size() == most_hosts) return "it names too many hosts";
    fields.hosts.push_back(to_lower(value));
    return "";
}

/// Returns what is wrong with the line; unknown fields are allowed.
std::string add_line(Fields& fields, std::string_view line) {
    if (trim(line).empty()) return "";
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return "a line without a colon";
    const std::string_view name = trim(line.substr(0, colon)), value = trim(line.substr(colon + 1));
    if (name == "mx") return add_host(fields, value);
    for (const auto& [known, field] : {std::pair{std::string_view("version"), &fields.version},
                                       {"mode", &fields.mode},
                                       {"max_age", &fields.max_age}})
        if (name == known && !*field) *field = value;
    return "";
}

}  // namespace

Result<StsPolicy> parse_sts_policy(std::string_view text) {
    if (text.size() > longest_sts_policy) return Problem{"it is too long"};
    Fields fields;
    while (!text.empty()) {
        if (const std::string wrong = add_line(fields, read_until(text, '\n')); !wrong.empty())
            return Problem{wrong};
    }
    if (fields.version != version) return Problem{"its version is not STSv1"};
    const auto mode = mode_named(fields.mode.value_or(""));
    if (!mode) return Problem{"its mode is not none, testing or enforce"};
    const auto max_age = parse_number(fields.max_age.value_or(""));
    if (!max_age) return Problem{"its max_age is no number"};
    if (*mode != StsPolicy::Mode::none && fields.hosts.empty()) return Problem{"it names no host"};
    return StsPolicy{*mode, std::move(fields.hosts), Seconds(std::min(*max_age, longest_age))};
}

std::string sts_policy_id(const std::vector<std::string>& records) {
    std::string_view found;
    for (const std::string& record : records) {
        if (!record.starts_with("v=STSv1")) continue;
        if (!found.empty()) return "";
        found = record;
    }
    if (trim(read_until(found, ';')) != "v=STSv1") return "";
    std::string_view id;
    while (!found.empty()) {
        std::string_view value = trim(read_until(found, ';'));
        if (trim(read_until(value, '=')) != "id" || !id.empty()) continue;
        id = trim(value);
        if (id.empty() || id.size() > longest_id || !std::all_of(id.begin(), id.end(), is_letter_or_digit))
            return "";
    }
    return std::string(id);
}

}  // namespace postoffice
