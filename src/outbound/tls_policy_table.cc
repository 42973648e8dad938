#include "postoffice/outbound/tls_policy_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/idn.h"
#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

constexpr std::size_t digest_digits = 64;  // SHA-256

std::string_view next_word(std::string_view& text) {
    text = trim(text);
    const std::string_view word = text.substr(0, text.find_first_of(" \t"));
    text.remove_prefix(word.size());
    return word;
}

// A destination as it is looked up: lower case, A-labels, without the brackets and the port that a relay host
// has in a table of Postfix.
std::string destination_key(std::string_view written) {
    if (written.starts_with('[')) {
        written.remove_prefix(1);
        written = written.substr(0, written.find(']'));
    } else if (std::count(written.begin(), written.end(), ':') == 1) {
        written = written.substr(0, written.find(':'));
    }
    const bool is_for_names_below = written.starts_with('.');
    const auto name = domain_to_ascii(is_for_names_below ? written.substr(1) : written);
    if (!name) return to_lower(written);
    return is_for_names_below ? "." + *name : *name;
}

std::string add_names(std::string_view value, std::vector<std::string>& match) {
    for (const auto part : split(value, ':')) {
        const bool is_for_names_below = part.starts_with('.');
        const auto name = parse_domain(is_for_names_below ? part.substr(1) : part);
        if (!name) return name.problem();
        match.push_back(is_for_names_below ? "." + *name : *name);
    }
    return "";
}

// "ab:cd:…" or "abcd…"; several are separated by '|'.
std::string add_fingerprints(std::string_view value, std::vector<std::string>& fingerprints) {
    for (const auto part : split(value, '|')) {
        std::string digits = to_lower(part);
        std::erase(digits, ':');
        if (digits.size() != digest_digits || digits.find_first_not_of("0123456789abcdef") != digits.npos)
            return fmt::format("\"{}\" is no SHA-256 fingerprint: {} hexadecimal digits", printable(part),
                               digest_digits);
        fingerprints.push_back(std::move(digits));
    }
    return "";
}

std::string apply_attribute(TlsPolicy& policy, std::string_view text) {
    std::string_view value = text;
    const std::string_view name = read_until(value, '=');
    if (name != "match") return fmt::format("\"{}\" is no attribute: match=", printable(text));
    if (policy.level == TlsLevel::verify) return add_names(value, policy.match);
    if (policy.level == TlsLevel::fingerprint) return add_fingerprints(value, policy.fingerprints);
    return fmt::format("match= has no meaning at level {}", to_string(policy.level));
}

}  // namespace

Result<TlsPolicy> parse_tls_policy(std::string_view text) {
    TlsPolicy policy;
    const std::string_view word = next_word(text);
    const bool is_secure = equals_ignoring_case(word, "secure");
    const auto level = is_secure ? Result<TlsLevel>(TlsLevel::verify) : parse_tls_level(word);
    if (!level) return Problem{level.problem()};
    policy.level = *level;
    policy.name = to_string(*level);
    for (auto attribute = next_word(text); !attribute.empty(); attribute = next_word(text))
        if (auto problem = apply_attribute(policy, attribute); !problem.empty())
            return Problem{std::move(problem)};
    if (is_secure && policy.match.empty()) policy.match = {"nexthop", "dot-nexthop"};
    if (policy.level == TlsLevel::fingerprint && policy.fingerprints.empty())
        return Problem{"match=FINGERPRINT is missing"};
    return policy;
}

TlsPolicyTable::TlsPolicyTable(std::string file) : table_(std::move(file), destination_key) {}

std::optional<TlsPolicy> TlsPolicyTable::find(const std::string& next_hop) {
    table_.refresh();
    if (!table_.problem().empty()) throw FormatError(table_.problem());
    const std::string key = destination_key(next_hop);
    auto row = table_.find(key);
    for (std::size_t dot = key.find('.'); !row && dot != key.npos; dot = key.find('.', dot + 1))
        row = table_.find(key.substr(dot));
    if (!row) return std::nullopt;
    auto policy = parse_tls_policy(row->value);
    if (!policy) throw FormatError(fmt::format("{}: {}", table_.place_of(*row), policy.problem()));
    return *policy;
}

std::vector<std::string> problems_of_tls_policies(const std::string& file) {
    TextTable table(file, destination_key);
    table.refresh();
    return table.problems("remote-tls-policy",
                          [](std::string_view value) { return parse_tls_policy(value).problem(); });
}

}  // namespace postoffice
