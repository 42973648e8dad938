// Where mail for another host is sent next.
#pragma once

#include <compare>
#include <string>
#include <variant>
#include <vector>

#include "postoffice/config/value_types.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

struct NextHop {
    /// The mail hosts of a domain in lower case, or the host of an address literal. RFC 5321 section 5.1.
    struct MailHosts {
        std::string domain;
        auto operator<=>(const MailHosts&) const = default;
    };
    /// The first of these that takes the mail; never empty.
    struct Relays {
        std::vector<RelayHost> hosts;
        bool speak_lmtp = false;  ///< RFC 2033
        /// The key of sender-relay= that led here; it may have a login of its own. Else empty.
        std::string sender = "";
        auto operator<=>(const Relays&) const = default;
    };
    /// An LMTP server of this machine.
    struct LmtpSocket {
        std::string path;
        auto operator<=>(const LmtpSocket&) const = default;
    };
    /// Where this alias of the host leads: a program, a file, other addresses.
    struct Alias {
        std::string name;
        auto operator<=>(const Alias&) const = default;
    };
    /// Accepted and dropped.
    struct Discard {
        auto operator<=>(const Discard&) const = default;
    };
    /// No host gets it: it is refused, or waits, with this reply.
    struct Refusal {
        Reply reply;
        auto operator<=>(const Refusal&) const = default;
    };
    /// A table that says it has an error: mail waits.
    struct Unknown {
        std::string why;
        auto operator<=>(const Unknown&) const = default;
    };

    using Place = std::variant<MailHosts, Relays, LmtpSocket, Alias, Discard, Refusal, Unknown>;
    Place where;

    /// How mail goes there: the name of a `transport=`; empty: as usual.
    std::string transport = "";

    template <class Type>
    bool is() const {
        return std::holds_alternative<Type>(where);
    }
    /// Null if it is another one.
    template <class Type>
    const Type* as() const {
        return std::get_if<Type>(&where);
    }
    /// For people: "example.org", "relay.example:587, [192.0.2.1]", "lmtp:/PATH", "alias:fax", "discard";
    /// with a transport of its own "bulk:example.org".
    std::string to_string() const;
    auto operator<=>(const NextHop&) const = default;
};

}  // namespace postoffice
