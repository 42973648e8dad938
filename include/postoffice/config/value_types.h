// The types of configuration values that are more than a number, a name or a path. values.h parses them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/ip_network.h"

namespace postoffice {

/// One `listen=` line.
struct ListenAddress {
    std::optional<IpAddress> address;  ///< nullopt = all addresses of both families
    std::uint16_t port = 0;            ///< 0 = the kernel chooses (tests)
    bool tls = false;                  ///< TLS from the first octet
    bool submission = false;           ///< for users: TLS and AUTH before any mail
    bool pop3 = false;                 ///< users fetch their mail here; else SMTP is served
    std::string domain = "";           ///< with pop3: of logins that name none; empty: accounts of this host

    /// ":25", "192.0.2.1:25", "[2001:db8::1]:25".
    std::string to_string() const;
    bool operator==(const ListenAddress&) const = default;
};

/// At most so many in so much time; see policy/rate_table.h.
struct RateLimit {
    std::uint64_t most = 0;  ///< 0 = no limit
    Seconds window{0};
    bool operator==(const RateLimit&) const = default;
};

/// How mail goes to other hosts: the options of these names, or what `transport=` says instead.
struct Transport {
    std::string name = "";                      ///< in tables of routes, lower case; empty: all others
    unsigned destination_agents = 0;            ///< at a time, for one destination; 0: as all others
    RateLimit destination_rate{};               ///< of messages for one destination
    std::vector<IpAddress> source_addresses{};  ///< of connections, one of a family; without: any
    std::string helo_name{};                    ///< empty: the name of this host
    bool operator==(const Transport&) const = default;
};

/// Hosts by name, address and network, as `trusted=` has them.
struct HostList {
    std::vector<IpNetwork> networks;  ///< an address is a network of one
    std::vector<std::string> names;   ///< lower case

    bool empty() const { return networks.empty() && names.empty(); }
    /// The address is in one of the networks. Names do not count.
    bool contains(const IpAddress& address) const { return is_listed(networks, address); }
    bool operator==(const HostList&) const = default;
};

/// A host that takes mail for other hosts, as `relay-host=` and tables of routes have it.
struct RelayHost {
    std::string host;                  ///< a name in lower case, or an address as it was written
    std::optional<IpAddress> address;  ///< set if `host` is one
    std::uint16_t port = 0;            ///< 0 = remote-port
    bool uses_mx = false;              ///< the mail hosts of that name take it, not its addresses

    /// "relay.example", "relay.example:587", "[192.0.2.1]:25".
    std::string to_string() const;
    auto operator<=>(const RelayHost&) const = default;
};

/// "relay.example:587, [192.0.2.1]".
std::string to_text(const std::vector<RelayHost>& hosts);

/// Which name servers are believed that they have validated an answer by DNSSEC.
enum class DnssecTrust { none, loopback, all };

/// The TLS that mail to another host needs.
enum class TlsLevel {
    none,         ///< TLS is not used
    may,          ///< where it is offered; the certificate does not count
    encrypt,      ///< always; the certificate does not count
    verify,       ///< always, and a known authority confirms the name of the host
    fingerprint,  ///< always, and the certificate is one of those that are listed
    dane,         ///< as the TLSA records of the host say; as `may` for hosts without
    dane_only,    ///< as its TLSA records say; hosts without get no mail
};

/// "may".
std::string_view to_string(TlsLevel level);

/// Where a server of mailboxes listens: an address with its port, or the path of a socket.
using ServerPlace = std::variant<Endpoint, std::string>;

/// "192.0.2.1:24", or the path.
std::string to_string(const ServerPlace& place);

/// A server of `local-transport=`, which takes mail for local mailboxes by LMTP (RFC 2033).
struct LmtpServer {
    ServerPlace place;

    std::string to_string() const { return postoffice::to_string(place); }
    bool operator==(const LmtpServer&) const = default;
};

/// Where a server of this host's administrator listens, such as a filter or a policy daemon.
struct SocketPlace {
    std::string path = {};      ///< in the file system; empty: `host` and `port` say where
    std::string host = {};      ///< a name in lower case, or an address
    std::uint16_t port = 0;     ///< never 0 for a host
    bool is_ipv6_only = false;  ///< of the addresses of a name, those of IPv4 are not tried

    /// "/run/opendkim.sock", "localhost:8891", "[::1]:8891".
    std::string to_string() const;
    bool operator==(const SocketPlace&) const = default;
};

/// A policy daemon of `policy-service=`, which decides about clients, senders and recipients by the protocol
/// of Postfix's policy delegation.
struct PolicyService {
    /// When it is asked.
    struct Stages {
        bool rcpt = true;             ///< about each recipient
        bool data = false;            ///< before the text of a message
        bool end_of_message = false;  ///< when the message and its size are known
        bool operator==(const Stages&) const = default;
    };

    SocketPlace place;
    Stages stages{};
    bool all_clients = false;      ///< it is asked about trusted clients and logins, too
    bool refuses_spam = false;     ///< what it refuses for good is spam, for `spam=` to decide about
    bool failure_accepts = false;  ///< mail is accepted while it fails; else the client is to try again
    Seconds timeout{30};           ///< for one answer in all, from the connection on
    std::string context = {};      ///< the attribute policy_context

    bool operator==(const PolicyService&) const = default;
};

/// An account by the name or number of its user, and of its group if that is not the user's own.
struct AccountName {
    /// May still have a group behind a dot, "mail.mail", if no user has that name.
    std::string user;
    std::string group;  ///< empty = the user's own

    /// "mail", "mail:users".
    std::string to_string() const { return group.empty() ? user : user + ":" + group; }
    bool operator==(const AccountName&) const = default;
};

/// What becomes of mail from a host that hosts.deny names, or of spam.
struct UnwantedMail {
    enum class Action {
        bounce,  ///< it is refused
        accept,  ///< it is treated like other mail
        folder,  ///< what is for mailboxes here goes to `folder`
    } action = Action::bounce;
    /// "~/PATH" below the user's home (trailing '/' = maildir), or "NAME" for the file USER:NAME below
    /// mail-dir.
    std::string folder;
    std::string why = {};  ///< of a bounce: what the client is told in place of the reason itself
    bool operator==(const UnwantedMail&) const = default;
};

/// A DNS list of addresses (RFC 5782).
struct DnsList {
    std::string zone;                ///< "list.example"
    std::vector<IpAddress> answers;  ///< those that count; empty = any that lists may give
    bool operator==(const DnsList&) const = default;
};

/// Addresses that users make up themselves: usermap(7).
struct UserMap {
    std::string pattern;  ///< as fnmatch(3) has it, lower case; one '~' at most stands for an account
    std::vector<std::string> targets;  ///< "~", "~/FILE" or an address
    bool operator==(const UserMap&) const = default;
};

/// How the host name is found when `hostname=` does not spell it.
enum class HostnameFrom { resolver, uname };

/// What is done with a CR or LF in a message that is no half of a CRLF: see postoffice.cf(5).
enum class BareNewline { normalise, reject, accept };

/// What a filter may change of a message; what it may not is ignored.
struct FilterChanges {
    bool header = true;
    bool body = true;
    bool sender = true;
    bool recipients = true;
    bool quarantine = true;
    bool operator==(const FilterChanges&) const = default;
};

/// A mail filter that speaks the milter protocol: one `filter=` line.
struct FilterSettings {
    SocketPlace place;
    enum class OnFailure { accept, tempfail, reject } on_failure = OnFailure::accept;
    Seconds connect_time{30};   ///< for the connection
    Seconds answer_time{30};    ///< for the whole answer to one question
    Seconds message_time{300};  ///< for the whole answer to the end of a message
    FilterChanges changes{};
    bool skip_trusted = false;  ///< clients that are trusted do not pass it,
    bool skip_login = false;    ///< nor those that have logged in,
    bool skip_local = false;    ///< nor submissions of this host
    bool refuses_spam = false;  ///< a message that it refuses for good is spam, for `spam=` to decide about
    bool operator==(const FilterSettings&) const = default;
};

/// "accept", "tempfail" or "reject".
std::string_view to_string(FilterSettings::OnFailure action);

/// On which ports a login must use addresses of its own as sender.
enum class LoginSenders { any, submission, own };

}  // namespace postoffice
