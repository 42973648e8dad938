#include "spf_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "postoffice/base/text.h"
#include "spf_macros.h"

namespace postoffice {
namespace {

constexpr std::string_view version = "v=spf1";
constexpr std::size_t longest_term_shown = 100;

using TermKind = SpfTerm::Kind;

struct KnownMechanism {
    std::string_view name;
    TermKind kind;
    enum Domain { none, optional, required } domain;
    bool has_prefix;  ///< "/24//64"
};
constexpr std::array<KnownMechanism, 8> mechanisms = {{
    {"all", TermKind::all, KnownMechanism::none, false},
    {"include", TermKind::include, KnownMechanism::required, false},
    {"a", TermKind::a, KnownMechanism::optional, true},
    {"mx", TermKind::mx, KnownMechanism::optional, true},
    {"ptr", TermKind::ptr, KnownMechanism::optional, false},
    {"ip4", TermKind::ip4, KnownMechanism::required, false},
    {"ip6", TermKind::ip6, KnownMechanism::required, false},
    {"exists", TermKind::exists, KnownMechanism::required, false},
}};

Problem bad(std::string_view term, std::string_view what) {
    return {fmt::format("\"{}\" {}", printable(term.substr(0, longest_term_shown)), what)};
}

std::optional<SpfResult> read_qualifier(std::string_view& term) {
    constexpr std::string_view signs = "+-~?";
    constexpr SpfResult results[] = {SpfResult::pass, SpfResult::fail, SpfResult::softfail,
                                     SpfResult::neutral};
    const std::size_t at = term.empty() ? signs.npos : signs.find(term.front());
    if (at == signs.npos) return std::nullopt;
    term.remove_prefix(1);
    return results[at];
}

/// A number without needless zeros, at most `most`.
std::optional<unsigned> parse_bits(std::string_view text, unsigned most) {
    const auto number = parse_number(text);
    const bool has_needless_zero = text.size() > 1 && text.front() == '0';
    if (!number || has_needless_zero || *number > most) return std::nullopt;
    return static_cast<unsigned>(*number);
}

/// Takes `mark` and a number from the end, if they are there; false: they are, and the number is none.
bool read_prefix_length(std::string_view& text, std::string_view mark, unsigned most, unsigned& bits) {
    const std::size_t last = text.find_last_not_of("0123456789");
    if (last == text.npos || last + 1 == text.size()) return true;
    const std::string_view before = text.substr(0, last + 1);
    if (!before.ends_with(mark)) return true;
    const auto number = parse_bits(text.substr(last + 1), most);
    if (!number) return false;
    bits = *number;
    text = before.substr(0, before.size() - mark.size());
    return true;
}

/// "192.0.2.0/24" and "2001:db8::/32".
bool parse_network(std::string_view text, SpfTerm& term) {
    const bool is_v6 = term.kind == TermKind::ip6;
    std::string_view length = text;
    const auto address = read_until(length, '/');
    const bool has_length = address.size() < text.size();
    const auto network = IpAddress::parse(address);
    // ::ffff:192.0.2.1 is held as the IPv4 address it means.
    if (!network || (address.find(':') != address.npos) != is_v6) return false;
    term.network = *network;
    unsigned& bits = is_v6 ? term.bits_v6 : term.bits_v4;
    if (!has_length) return true;
    const auto number = parse_bits(length, is_v6 ? 128 : 32);
    if (number) bits = *number;
    return number.has_value();
}

Result<SpfTerm> parse_mechanism(std::string_view text) {
    SpfTerm term;
    term.text = printable(text.substr(0, longest_term_shown));
    std::string_view rest = text;
    term.result = read_qualifier(rest).value_or(SpfResult::pass);
    const std::size_t name_end = std::min(rest.find_first_of(":/"), rest.size());
    const std::string_view name = rest.substr(0, name_end);
    const auto known = std::find_if(mechanisms.begin(), mechanisms.end(),
                                    [&](const auto& m) { return equals_ignoring_case(m.name, name); });
    if (known == mechanisms.end()) return bad(text, "is no mechanism");
    term.kind = known->kind;
    rest.remove_prefix(name_end);

    if (known->has_prefix && (!read_prefix_length(rest, "//", 128, term.bits_v6) ||
                              !read_prefix_length(rest, "/", 32, term.bits_v4)))
        return bad(text, "has a bad prefix length");
    const bool has_value = rest.starts_with(':');
    if (!rest.empty() && !has_value) return bad(text, "is malformed");
    if (has_value) rest.remove_prefix(1);
    if (has_value ? known->domain == KnownMechanism::none : known->domain == KnownMechanism::required)
        return bad(text, has_value ? "takes no value" : "has no value");
    if (term.kind == TermKind::ip4 || term.kind == TermKind::ip6) {
        if (!parse_network(rest, term)) return bad(text, "is no network");
    } else if (has_value && !is_spf_domain_spec(rest)) {
        return bad(text, "names no domain");
    }
    term.domain = rest;
    return term;
}

/// "name=": a letter, then letters, digits, "-", "_" and ".".
bool has_modifier_name(std::string_view term) {
    const std::size_t equals = term.find('=');
    if (equals == term.npos || equals == 0 || !is_letter(term.front())) return false;
    const auto name = term.substr(0, equals);
    return std::all_of(name.begin(), name.end(), [&](char c) {
        return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
    });
}

}  // namespace

bool is_spf_record(std::string_view text) {
    return starts_with_ignoring_case(text, version) &&
           (text.size() == version.size() || text[version.size()] == ' ');
}

Result<SpfRecord> parse_spf_record(std::string_view text) {
    SpfRecord record;
    bool has_redirect = false, has_explanation = false;
    for (const std::string_view word : split(text.substr(version.size()), ' ')) {
        if (word.empty()) continue;
        if (!has_modifier_name(word)) {
            auto term = parse_mechanism(word);
            if (!term) return Problem{term.problem()};
            record.terms.push_back(std::move(*term));
            continue;
        }
        std::string_view value = word;
        const auto name = read_until(value, '=');
        const bool is_redirect = equals_ignoring_case(name, "redirect");
        if (is_redirect || equals_ignoring_case(name, "exp")) {
            bool& is_there = is_redirect ? has_redirect : has_explanation;
            if (is_there) return bad(word, "stands twice");
            is_there = true;
            if (!is_spf_domain_spec(value)) return bad(word, "names no domain");
            if (is_redirect) record.redirect = value;
        } else if (!is_spf_macro_string(value)) {
            return bad(word, "is malformed");
        }
    }
    if (std::any_of(record.terms.begin(), record.terms.end(),
                    [](const SpfTerm& term) { return term.kind == TermKind::all; }))
        record.redirect.clear();
    return record;
}

}  // namespace postoffice
