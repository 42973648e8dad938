// The envelope of a message: its sender, its recipients, and how it came to us.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/destination.h"
#include "postoffice/mail/notification.h"
#include "postoffice/mail/scheduling.h"

namespace postoffice {

enum class Body { seven_bit, eight_bit_mime };
/// "7BIT" or "8BITMIME".
std::string_view body_text(Body body);
/// The same, in any case.
std::optional<Body> parse_body(std::string_view text);

/// What the sender wants of TLS on the whole way of a message: RFC 8689.
enum class TlsWish {
    none,
    required,  ///< REQUIRETLS: to each host under TLS and verified, or not at all
    waived,    ///< "TLS-Required: No": what domains demand for mail to them does not count
};
/// "yes" or "no", as a journal says whether TLS is required; "" for none.
std::string_view tls_wish_text(TlsWish wish);

/// What MAIL says of a message beside its sender, and what travels with it to the next host.
struct MailParameters {
    Body body = Body::seven_bit;  ///< RFC 6152
    /// The message needs SMTPUTF8 (RFC 6531) for all recipients: its header has UTF-8, and the client said
    /// so. An address that is not ASCII needs it whatever this says.
    bool smtputf8 = false;
    ReturnPart return_part = ReturnPart::unspecified;  ///< RET
    std::string envelope_id = {};  ///< ENVID, the sender's name for this message, in xtext; "" if not given
    Scheduling scheduling{};       ///< BY, HOLDFOR and HOLDUNTIL, MT-PRIORITY
    TlsWish tls = TlsWish::none;
    bool operator==(const MailParameters&) const = default;
};

/// How a program that submits mail of others says that it got it (sendmail -p): for the Received field.
struct Handover {
    std::string protocol, host;  ///< "" = not said
};

/// An envelope as MAIL and RCPT say it: nothing of it is routed.
struct WireEnvelope {
    struct To {
        To(Address to, RecipientWishes what = {}) : address(std::move(to)), wishes(std::move(what)) {}
        Address address;
        RecipientWishes wishes;
        bool operator==(const To&) const = default;
    };
    Address sender;
    std::vector<To> recipients;
    MailParameters parameters = {};
    Handover handover = {};
};

/// Where a message came from, as told to people: Received field, journal, log.
struct Origin {
    std::string protocol;        ///< "SMTP", "ESMTPS", "local" and so on
    std::string helo;            ///< what the client called itself
    std::string client_name;     ///< verified name; "unknown" if there is none; empty if local
    std::string client_address;  ///< "192.0.2.1"; empty if local
    std::string submitter;       ///< "uid 1000 (bob)" for local submissions
    std::string tls = {};        ///< "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: it came in the clear
};

/// For the log: "mx.example[192.0.2.1]"; empty for what was submitted on this host.
std::string client_text(const Origin& origin);

/// A recipient of a message: what the sender asked for, and what that leads to.
struct Recipient {
    Address original;
    Destination destination;
    std::optional<Address> sender{};  ///< replaces the envelope's for this recipient (a list's owner-NAME)
    RecipientWishes wishes{};         ///< what the sender wants to hear of it
    /// The address that reports name in place of the destination's, which stands in a user's own file; see
    /// Route::Hop.
    std::optional<Address> disclosed{};
};

/// Which of its user's folders a message is for; the options of these names say where that is.
enum class MailFolder : std::uint8_t { inbox, forbidden, spam };
/// For the log: "[DENY]", "[SPAM]", or nothing for the inbox.
std::string_view mark_of(MailFolder folder);

struct Envelope {
    Address sender;  ///< null for <>
    MailParameters parameters;
    std::vector<Recipient> recipients;
    /// Aliases and lists among the recipients that were replaced by what they lead to, where the sender wants
    /// to hear that they were reached (RFC 3461 section 5.2.7). Not in the journal: they are reported when
    /// the message is accepted. The destination's address is that
    /// of the alias, the sender that of a list's owner.
    std::vector<Recipient> expanded;
    /// The sender of the message, where `sender` is the owner of the list that sends it on.
    std::optional<Address> sent_by = {};
    /// Where the addresses of `recipients` lead besides, in the care of another message, or delivered before
    /// this one was queued: no later look at an alias or a list sends the message there again. The sender is
    /// that of the other message, where it is another one.
    std::vector<Recipient> elsewhere = {};
    Origin origin;
    MailFolder folder = MailFolder::inbox;  ///< as far as its recipients are mailboxes here
    /// The message is held in the queue from the start, for this reason.
    std::optional<std::string> hold = {};
    std::string unwanted =
        {};  ///< why the message is unwanted, and was accepted all the same; empty: it is not
    /// What filters, policy services and the scanner decided about it: "filter /run/f: accept, 3 ms".
    std::vector<std::string> verdicts = {};
    UnixTime arrived = 0;

    /// Since when the message could be delivered: its arrival, or a later release (RFC 4865).
    UnixTime deliverable_since() const { return std::max(arrived, parameters.scheduling.release); }
};

/// What users have written down for mail that they want, such as programs, is not done with mail for a
/// folder. Virtual users have no folder: theirs is accepted as other mail.
void send_to_folder(Envelope& envelope, MailFolder folder);

/// Behind those that it has.
void add_verdicts(Envelope& envelope, std::vector<std::string> verdicts);

/// The address here that sends this recipient's mail on, by an alias or a delivery file; "" if it goes where
/// it was sent to, or if the address cannot stand in this header.
std::string forwarded_by(const Recipient& recipient, const Envelope& envelope);

}  // namespace postoffice
