#include "postoffice/mail/address.h"

#include <algorithm>

#include "postoffice/base/idn.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/mail/address_lexer.h"

namespace postoffice {
namespace {

bool is_beyond_ascii(char c) {
    return (c & 0x80) != 0;
}

/// RFC 5322 section 3.2.3. Percent and bang are plain text: we do not route by them. That what is beyond
/// ASCII is UTF-8 is checked for a name as a whole.
bool is_atext(char c) {
    return is_beyond_ascii(c) || is_letter_or_digit(c) ||
           std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

/// What may stand in a quoted string, by itself or behind a backslash (RFC 5321 section 4.1.2).
bool is_printable(char c) {
    return (c >= 0x20 && c <= 0x7e) || is_beyond_ascii(c);
}

/// UTF-8 without control characters.
bool is_text(std::string_view text) {
    while (!text.empty()) {
        const auto character = read_character(text);
        if (!character || *character < 0x20 || (*character >= 0x7f && *character < 0xa0)) return false;
    }
    return true;
}

bool is_dot_string(std::string_view text) {
    char previous = '.';
    for (const char c : text) {
        if (c == '.' ? previous == '.' : !is_atext(c)) return false;
        previous = c;
    }
    return previous != '.';
}

void append_local_part(std::string& out, std::string_view local_part) {
    if (is_dot_string(local_part)) {
        out += local_part;
        return;
    }
    out += '"';
    for (const char c : local_part) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
}

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(),
                       [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; });
}

/// Appends what a quoted string means; returns what is wrong, or "".
std::string_view append_quoted_string(const AddressToken& token, std::string& out) {
    if (!token.is_closed) return "closing quote is missing";
    const std::string_view inside = token.text.substr(1, token.text.size() - 2);
    for (std::size_t i = 0; i < inside.size(); ++i) {
        const char c = inside[i] == '\\' ? inside[++i] : inside[i];
        if (!is_printable(c)) return "control character in a quoted name";
        out += c;
    }
    return "";
}

/// Where dots may stand in a local part that is not quoted.
enum class Dots {
    between_words,  ///< RFC 5321 section 4.1.2
    anywhere,       ///< at its ends and side by side, too, as some phones and providers write them
};

/// Appends atoms with dots between them; returns what is wrong, or "". `expects_word`: a dot, or nothing, is
/// in front.
std::string_view append_atoms(std::string_view text, Dots dots, bool expects_word, std::string& out) {
    for (const char c : text) {
        if (c == '.' && expects_word && dots == Dots::between_words)
            return "a dot at the start of the name, or two in a row";
        if (c != '.' && !is_atext(c)) return "a character that needs quotes";
        expects_word = c == '.';
        out += c;
    }
    return "";
}

/// Words with dots between them: Dot-string, Quoted-string and the obs-local-part of RFC 5322 section 4.4.
std::string_view read_local_part(std::string_view& rest, std::string& out, Dots dots) {
    bool expects_word = true;
    for (;;) {
        std::string_view behind = rest;
        const AddressToken token = read_token(behind);
        if (token.follows_blank || !token.is_word()) break;
        if (!expects_word && !token.text.starts_with('.')) break;
        const bool is_quoted = token.kind == AddressToken::Kind::quoted_string;
        const auto problem =
            is_quoted ? append_quoted_string(token, out) : append_atoms(token.text, dots, expects_word, out);
        if (!problem.empty()) return problem;
        expects_word = !is_quoted && token.text.ends_with('.');
        rest = behind;
    }
    if (out.empty()) return "the name is empty";
    if (expects_word && (dots == Dots::between_words || !rest.starts_with('@')))
        return "a dot at the end of the name";
    return "";
}

/// The text at the front that stands for a domain; empty if there is none.
std::string_view read_domain(std::string_view& rest) {
    std::string_view behind = rest;
    const AddressToken token = read_token(behind);
    const bool is_domain =
        token.kind == AddressToken::Kind::atom || token.kind == AddressToken::Kind::domain_literal;
    if (!is_domain || token.follows_blank) return {};
    rest = behind;
    return token.text;
}

/// "example.org." is example.org: the dot is the root of the DNS.
std::string_view without_final_dot(std::string_view domain) {
    if (domain.size() > 1 && domain.ends_with('.')) domain.remove_suffix(1);
    return domain;
}

std::string domain_problem(std::string_view domain) {
    if (domain.empty()) return "the domain is missing";
    if (domain.front() == '[') return "not an IPv4 or IPv6 address literal: " + printable(domain);
    return "not a valid domain: " + printable(domain);
}

/// local-part [ "@" domain ] from the front of `rest`, within the limits of RFC 5321 section 4.5.3.1.
Result<Address> read_addr_spec(std::string_view& rest, Dots dots) {
    std::string local_part;
    if (const auto problem = read_local_part(rest, local_part, dots); !problem.empty())
        return Problem{std::string(problem)};
    if (!is_text(local_part)) return Problem{"the name is not UTF-8"};
    std::string domain;
    if (!rest.empty() && rest.front() == '@') {
        rest.remove_prefix(1);
        const auto given = without_final_dot(read_domain(rest));
        domain = domain_to_ascii(given).value_or("");
        if (!is_valid_domain(domain)) return Problem{domain_problem(given)};
    }
    Address address(std::move(local_part), domain);
    // The limits hold for what we would send on, not for how the client chose to quote it.
    const std::size_t length = address.to_string().size();
    const std::size_t domain_length = domain.empty() ? 0 : domain.size() + 1;
    if (length - domain_length > max_local_part) return Problem{"the name is longer than 64 characters"};
    if (length + 2 > max_path) return Problem{"the address is longer than 256 characters"};
    return address;
}

/// "@a.example,@b.example:" (RFC 5321 section 4.1.2, A-d-l). What it says is ignored, as appendix C asks.
std::string skip_source_route(std::string_view& rest) {
    while (!rest.empty() && rest.front() == '@') {
        rest.remove_prefix(1);
        const auto domain = read_domain(rest);
        if (!is_valid_domain(domain_to_ascii(domain).value_or("")))
            return "source route: " + domain_problem(domain);
        if (rest.empty()) break;
        const char separator = rest.front();
        rest.remove_prefix(1);
        if (separator == ':') return "";
        if (separator != ',') break;
    }
    return "a source route must end with a colon";
}

/// Lower case; an address literal keeps the registered spelling of its tag (RFC 5321 section 4.1.3).
std::string canonical_domain(const std::string& domain) {
    constexpr std::string_view tag = "[IPv6:";
    std::string text = domain_to_ascii(domain).value_or(to_lower(domain));
    if (starts_with_ignoring_case(text, tag)) text.replace(0, tag.size(), tag);
    return text;
}

void skip_blanks(std::string_view& rest) {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
}

/// The address of a path, which the end of the path follows.
Result<Address> read_path_address(std::string_view& rest, const PathRules& rules) {
    auto address = read_addr_spec(rest, rules.lenient ? Dots::anywhere : Dots::between_words);
    if (address && !address->is_qualified() && !rules.allow_unqualified &&
        !equals_ignoring_case(address->local_part(), "postmaster"))
        return Problem{"the domain is missing"};
    return address;
}

/// "<path>"; `rest` keeps what follows it.
Result<Address> read_path_in_brackets(std::string_view& rest, const PathRules& rules) {
    rest.remove_prefix(1);
    if (rules.lenient) skip_blanks(rest);
    Result<Address> address = Address();
    if (rest.starts_with('>')) {
        if (!rules.allow_null) return Problem{"the address is empty"};
    } else {
        if (rest.starts_with('@'))
            if (auto problem = skip_source_route(rest); !problem.empty()) return Problem{std::move(problem)};
        address = read_path_address(rest, rules);
        if (!address) return address;
        if (rules.lenient) skip_blanks(rest);
    }
    if (!rest.starts_with('>')) return Problem{"the closing angle bracket is missing"};
    rest.remove_prefix(1);
    return address;
}

}  // namespace

Address::Address(std::string local_part, std::string domain)
    : local_part_(std::move(local_part)), domain_(canonical_domain(domain)) {}

std::string Address::to_string() const {
    std::string text;
    if (is_null()) return text;
    append_local_part(text, local_part_);
    if (is_qualified()) text.append("@").append(domain_);
    return text;
}

std::string Address::display_text() const {
    std::string text;
    if (is_null()) return text;
    append_local_part(text, local_part_);
    if (is_qualified()) text.append("@").append(domain_to_unicode(domain_));
    return text;
}

bool Address::needs_utf8() const {
    return !is_ascii(local_part_);
}

Address Address::qualified(const std::string& default_domain) const {
    return is_null() || is_qualified() ? *this : Address(local_part_, default_domain);
}

Result<Address> parse_addr_spec(std::string_view text) {
    auto address = read_addr_spec(text, Dots::between_words);
    if (address && !text.empty()) return Problem{"unexpected text after the address: " + printable(text)};
    return address;
}

Result<Path> parse_path(std::string_view text, const PathRules& rules) {
    auto rest = trim(text);
    const bool has_brackets = rest.starts_with('<');
    if (!has_brackets && (!rules.lenient || rest.empty()))
        return Problem{"an address must be in angle brackets"};
    auto address = has_brackets ? read_path_in_brackets(rest, rules) : read_path_address(rest, rules);
    if (!address) return Problem{address.problem()};
    // Only a blank may follow, so that no text can be read as one address here and as two elsewhere.
    if (!rest.empty() && rest.front() != ' ' && rest.front() != '\t')
        return Problem{has_brackets ? "unexpected text after the closing angle bracket"
                                    : "unexpected text after the address"};
    return Path{std::move(*address), trim(rest)};
}

bool is_valid_domain(std::string_view domain) {
    if (domain.empty() || domain.size() > max_domain) return false;
    if (domain.front() == '[') return IpAddress::parse_literal(domain).has_value();
    while (true) {
        const auto dot = domain.find('.');
        if (!is_label(domain.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        domain.remove_prefix(dot + 1);
    }
}

}  // namespace postoffice
