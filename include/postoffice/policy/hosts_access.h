// hosts.allow and hosts.deny, hosts_access(5), for the services `smtp` and `pop3`. The rules are libwrap's,
// with its options (hosts_options(5)): commands, `setenv`, `nice` and others that change the process for
// good. So a child asks, and what it became ends with it. What a rule puts into the environment by
//
//     smtp: .bad.example: setenv WHY we had too much from you
//
// is why it says no; DENY instead of WHY asks to hang up at once.
#pragma once

#include <string>

#include "postoffice/policy/client.h"

namespace postoffice {

extern const bool has_libwrap;  ///< it is built in

/// The two files; a missing one is empty.
struct AccessTables {
    std::string allow = "/etc/hosts.allow";
    std::string deny = "/etc/hosts.deny";
    std::string service = "smtp";  ///< as rules name it
};

struct AccessVerdict {
    enum class Kind {
        welcome,
        denied,
        outlawed,   ///< denied, and to be cut off at once
        temporary,  ///< the rules could not be asked, or DNS kept silent and they may have been about a name
    } kind = Kind::welcome;
    std::string
        why;  ///< denied, outlawed: the reason of the rule, if it has one; printable, without full stop

    bool operator==(const AccessVerdict&) const = default;
};

/// True if there is a rule, so that clients are asked about in a child, which may run commands. Does not
/// throw; a table that cannot be read may have rules.
bool has_access_rules(const AccessTables& tables = {}) noexcept;

/// Always welcome in a build without libwrap. `client` has an address. A rule that takes longer than half a
/// minute is `unclear`. Does not throw; trouble is logged.
AccessVerdict consult_hosts_access(const Client& client, const AccessTables& tables = {}) noexcept;

/// How the client is told, and the log: "mx.example does not accept mail from you[192.0.2.1] because …"; 554,
/// 521 for outlaws (RFC 7504), 421 if unclear, as a greeting can be.
Reply refusal_for(const AccessVerdict& verdict, const std::string& hostname, const Client& client);

}  // namespace postoffice
