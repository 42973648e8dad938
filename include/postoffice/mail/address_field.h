// Header fields with addresses, as programs on this host write them: found apart without being changed, and
// completed where a name has no domain. RFC 5322 sections 3.4 and 4.4, leniently: text that is no address
// list comes out as it went in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postoffice {

/// One mailbox inside a field body.
struct MailboxText {
    std::string_view text;    ///< with name and comments, trimmed; part of the body
    std::size_t complete_at;  ///< offset in the body where "@domain" is missing; npos if it is not
    /// The address alone, part of the body; "" if there is none that could be one.
    std::string_view address = {};
};

/// The mailboxes of a field body, in order; group names are left out. Never fails: what is between two commas
/// may still be no address.
std::vector<MailboxText> find_mailboxes(std::string_view body);

/// The body with "@domain" behind each name that has none.
std::string qualify_mailboxes(std::string_view body, std::string_view domain);

/// A person's name in front of an address: plain, quoted or encoded (RFC 2047), on lines of bounded length.
std::string display_name(std::string_view name);

}  // namespace postoffice
