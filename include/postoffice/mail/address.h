// Mail addresses as values: RFC 5321 section 4.1.2 in the envelope, RFC 5322 section 3.4 in header fields;
// with UTF-8 as RFC 6531 section 3.3 and RFC 6532 section 3.2 have it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/result.h"

namespace postoffice {

/// A mailbox, or the null path <> when both parts are empty.
class Address {
  public:
    Address() = default;
    /// `local_part` without quotes; `domain` is folded to lower case, and a name with U-labels to the same
    /// one with A-labels (RFC 5890); empty = not qualified (yet).
    Address(std::string local_part, std::string domain);

    bool is_null() const { return local_part_.empty() && domain_.empty(); }
    bool is_qualified() const { return !domain_.empty(); }
    /// Without quotes and backslashes: what RFC 5321 section 4.1.2 calls its semantic value.
    const std::string& local_part() const { return local_part_; }
    /// Lower case, ASCII; a literal keeps its brackets, and IPv6: is spelt so (RFC 5321 section 4.1.3).
    const std::string& domain() const { return domain_; }
    /// As it goes on the wire, quoted where needed, without angle brackets; "" for the null path.
    std::string to_string() const;
    /// The same for people: an internationalised domain as they write it.
    std::string display_text() const;
    /// The name has characters beyond ASCII: it cannot be sent to a server without SMTPUTF8.
    bool needs_utf8() const;
    Address qualified(const std::string& default_domain) const;

    bool operator==(const Address&) const = default;
    auto operator<=>(const Address&) const = default;

  private:
    std::string local_part_;
    std::string domain_;
};

/// Limits of RFC 5321 section 4.5.3.1, in octets.
inline constexpr std::size_t max_local_part = 64;
inline constexpr std::size_t max_domain = 255;
inline constexpr std::size_t max_path = 256;

/// A parsed path and the ESMTP parameters behind it.
struct Path {
    Address address;
    std::string_view parameters;  ///< trimmed; part of the input
};

/// "local-part" or "local-part@domain" as Address::to_string() writes it, without blanks around it. A dot at
/// the end of the domain (the root of the DNS) is dropped.
Result<Address> parse_addr_spec(std::string_view text);

/// How parse_path() reads.
struct PathRules {
    bool allow_null = false;         ///< "<>" is the null path
    bool allow_unqualified = false;  ///< names without a domain other than "postmaster", which always may
    /// What some devices and programs write beside RFC 5321 section 4.1.2: an address without brackets,
    /// blanks inside them, dots at the ends of a local part and side by side. Address::to_string() quotes
    /// such names.
    bool lenient = false;
};

/// The argument of MAIL FROM: or RCPT TO:, which is "<path>" and parameters. A source route is parsed and
/// ignored (RFC 5321 appendix C).
Result<Path> parse_path(std::string_view text, const PathRules& rules);

/// One mailbox as people and programs write it on a command line: "user", "user@host", "Name <user@host>",
/// "<>" (the null path). Brackets and names are optional.
Result<Address> parse_mailbox(std::string_view text);

/// The addresses of a To, Cc, Bcc… field body (unfolded or not), without names, comments and groups' names.
/// An empty group has no address.
Result<std::vector<Address>> parse_address_list(std::string_view text);

/// True for a syntactically valid domain name or IPv4 or IPv6 address literal. Underscores are let pass,
/// since names of real hosts have them.
bool is_valid_domain(std::string_view domain);

}  // namespace postoffice
