// What vdomain, vpasswd and valias share: their configuration, the domain that is meant, and with whose
// rights it is changed. The tools have no privilege of their own: an owner changes his own files, and root
// changes them as their owner.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "changed_file.h"
#include "postoffice/config/config.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

/// What ends a tool: the exit status and what is said.
struct ToolFailure {
    int exit_code;
    std::string text;
};

/// Runs `body` and turns what it throws into words and an exit status.
int run_domain_tool(const char* name, const std::function<int()>& body);

/// Throws ToolFailure: bad configuration, or no vhost-dir in it.
Config config_for_tool(const std::optional<std::string>& file);

/// The domain, as domains.cf has it. Throws ToolFailure if it is not there.
VirtualDomain find_domain(const Config& config, const std::string& name);

/// Where the files of a domain are, and which processes must be able to read them.
struct DomainFolder {
    std::string path;
    FileRights rights;
};

/// From here on this process has the rights of the domain's owner, if its caller is the owner or root. Throws
/// ToolFailure (77) for any other caller. The files of a domain of root's are read by the account
/// vhost-user=, and by no other that is not root.
DomainFolder act_as_owner(const Config& config, const VirtualDomain& domain);

/// Whether this is the password of the user postmaster of the domain, which only the owner has. False if
/// there is no such user. Throws std::system_error or FormatError if the users cannot be read.
bool is_secret_of(const Config& config, const VirtualDomain& domain, const std::string& secret);

/// "user@domain". Throws ToolFailure (65) if it is none, or the name can be none of a virtual user's; "*" is
/// let pass if `star`.
struct VirtualName {
    std::string user;
    std::string domain;
};
VirtualName parse_virtual_name(const std::string& text, bool star = false);

}  // namespace postoffice
