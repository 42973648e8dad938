// What vdomain, vpasswd and valias share: their arguments, their configuration, the domain that is meant, and
// the rights with which it is changed. The tools have no privilege of their own: an owner changes the files
// of the own domain, and root changes them with the rights of their owner.
#pragma once

#include <sysexits.h>

#include <functional>
#include <optional>
#include <string>

#include "changed_file.h"
#include "postoffice/commands/commands.h"
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

/// A tool with its own arguments.
template <class Task>
struct DomainTool {
    const char* name;
    const char* usage;
    bool (*read_arguments)(int argc, char** argv, Task& task);  ///< false: the usage is shown
    int (*carry_out)(const Task& task);
};

/// Writes `usage` to the standard output if it was asked for, else to the standard error. Returns
/// `exit_code`.
int show_usage(const char* usage, int exit_code);

template <class Task>
int run_domain_tool(const DomainTool<Task>& tool, int argc, char** argv) {
    if (asks_for_help(argc, argv)) return show_usage(tool.usage, EX_OK);
    Task task;
    if (!tool.read_arguments(argc, argv, task)) return show_usage(tool.usage, EX_USAGE);
    return run_domain_tool(tool.name, [&] { return tool.carry_out(task); });
}

/// Reads the options by getopt(3): -C FILE into `config_file`, the others, without values, are handed to
/// `on_letter`; --undo is 'U'. False for an option that is not in `letters`. `optind` is then that of the
/// first operand.
bool read_tool_options(int argc, char** argv, const char* letters, std::optional<std::string>& config_file,
                       const std::function<void(char letter)>& on_letter);

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
