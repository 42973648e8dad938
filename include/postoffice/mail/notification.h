// What a sender wants to hear of a message, and under which names: the parameters NOTIFY, ORCPT, RET and
// ENVID of RFC 3461, as values. They come from clients, from sendmail(8) and from journals, and are passed on
// to the next host.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

class Address;

/// NOTIFY (RFC 3461 section 4.1). Nothing set: the sender did not say.
struct Notify {
    bool never = false;  ///< then none of the others
    bool success = false;
    bool failure = false;
    bool delay = false;

    bool is_given() const { return never || success || failure || delay; }
    /// A sender that did not say wants to hear of failures.
    bool wants_failure() const { return failure || !is_given(); }
    /// The same without success, for what travels on after we have reported that ourselves.
    Notify without_success() const;
    /// "NEVER" or "SUCCESS,DELAY"; "" if it was not given.
    std::string text() const;
    bool operator==(const Notify&) const = default;
};

/// "NEVER", or some of SUCCESS, FAILURE and DELAY with commas between them, in any case.
std::optional<Notify> parse_notify(std::string_view text);
/// What both ask for.
Notify combined(const Notify& a, const Notify& b);

/// RET (section 4.3): how much of the message comes back with a report of failure.
enum class ReturnPart { unspecified, full, headers };
/// "FULL" or "HDRS", in any case.
std::optional<ReturnPart> parse_return_part(std::string_view text);
/// "FULL", "HDRS", or "" for unspecified.
std::string_view return_part_text(ReturnPart part);

/// What the sender said of one recipient.
struct RecipientWishes {
    Notify notify;
    /// ORCPT as it goes on the wire, "rfc822;bob+2Bx@b.test", in ASCII; "" if it was not given.
    std::string original_recipient;
    bool operator==(const RecipientWishes&) const = default;
};

/// Octets of xtext that ENVID may have (section 4.4), and of ORCPT with its type (section 4.2).
inline constexpr std::size_t max_envelope_id = 100;
inline constexpr std::size_t max_original_recipient = 500;
/// Octets that an ORCPT has at most as we keep it, where every character of a client's may be escaped.
inline constexpr std::size_t most_kept_original_recipient = 4 * max_original_recipient;

/// xtext (section 4): printable ASCII without "+", "=" and blanks, which are written "+HH".
std::string to_xtext(std::string_view text);
/// nullopt if it is no xtext.
std::optional<std::string> from_xtext(std::string_view xtext);

/// True for xtext within its limit that means printable ASCII (section 4.4).
bool is_envelope_id(std::string_view xtext);

/// An ORCPT, checked: "type;xtext", or "utf-8;address" of RFC 6533 section 3, with characters
/// beyond ASCII escaped as \x{HEX}. nullopt if it is malformed, or too long to be kept.
std::optional<std::string> parse_original_recipient(std::string_view text);
/// The ORCPT for an address that was given without one.
std::string original_recipient_of(const Address& address);
/// What a report says: "rfc822; bob+x@b.test".
std::string original_recipient_text(std::string_view original_recipient);

}  // namespace postoffice
