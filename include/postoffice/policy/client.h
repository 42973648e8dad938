// What is known of a client before it says anything: its address, the name that DNS
// confirms, and whether it is trusted. Decisions about it that need no more than that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/reply.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

/// What DNS (or the hosts file) says about the name of an address.
enum class NameStatus : std::uint8_t {
    unasked,
    verified,      ///< the address has a name, which has the address
    none,          ///< the address has no name
    contradicted,  ///< it has names, and none of them leads back
    temporary,     ///< DNS does not answer now: nothing permanent may follow from that
};

struct ClientName {
    std::string name = "unknown";  ///< "unknown" unless verified
    NameStatus status = NameStatus::temporary;
};

/// "localhost" for loopback, without a lookup. Waits half a minute at most.
ClientName find_client_name(const Resolver& resolver, const IpAddress& address);

/// An address of this machine's interfaces (asked once for the life of the process). Throws
/// std::system_error.
bool is_own_address(const IpAddress& address);

/// The facts about a client.
struct Client {
    std::optional<IpAddress> address;  ///< not there for a program on standard input
    std::string name{};
    NameStatus name_status = NameStatus::unasked;
    bool is_authenticated = false;

    /// "mail.example[192.0.2.1]", for people.
    std::string text() const;
};

/// The client is one of `hosts`. A name counts only if DNS confirms it.
bool is_one_of(const HostList& hosts, const Client& client);

/// Whether a client is as good as this host itself: may relay, and is spared what only strangers are asked.
enum class ClientTrust : std::uint8_t {
    stranger,
    undecided,  ///< a stranger until DNS answers
    trusted,    ///< standard input, this machine, `trusted` hosts, with `localmx` those we take mail for
};

/// Asks DNS if `localmx` is set. Throws std::system_error.
ClientTrust trust_of(const Config& config, const Resolver& resolver, const Client& client);

/// What `paranoid` and `dnscheck` have against a stranger: 550 5.7.25 (RFC 7372), or 450 while DNS is silent.
std::optional<Reply> check_client_name(const Config& config, const Client& client);

/// What `checkhelo` has against what a stranger calls itself: 521 if that is us.
std::optional<Reply> check_hello(const Config& config, const Client& client, std::string_view argument);

}  // namespace postoffice
