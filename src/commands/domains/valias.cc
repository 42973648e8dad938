// valias: aliases of virtual domains.
#include <fmt/format.h>
#include <getopt.h>
#include <sysexits.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "domain_edits.h"
#include "domain_tool.h"
#include "postoffice/base/accounts.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/routing/alias_file.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

struct AliasTask {
    std::optional<std::string> config_file;
    bool remove = false;
    bool undo = false;
    std::string name;  ///< NAME@DOMAIN, or DOMAIN
    std::vector<std::string> targets;
};

constexpr const char* valias_usage =
    "usage: valias [-C file] domain | name@domain\n"
    "       valias [-C file] name@domain target ...\n"
    "       valias [-C file] -d name@domain\n"
    "       valias [-C file] --undo domain\n";

bool read_arguments(int argc, char** argv, AliasTask& task) {
    const auto on_letter = [&](char letter) { (letter == 'd' ? task.remove : task.undo) = true; };
    if (!read_tool_options(argc, argv, "+C:d", task.config_file, on_letter)) return false;
    if (::optind == argc) return false;
    task.name = argv[::optind];
    task.targets.assign(argv + ::optind + 1, argv + argc);
    const bool is_name = task.name.find('@') != task.name.npos;
    if (task.undo) return !task.remove && !is_name && task.targets.empty();
    return is_name ? !task.remove || task.targets.empty() : !task.remove && task.targets.empty();
}

/// What is written for one target of the command line: "|command" or "/path" with blanks and commas is one
/// target.
std::string written(const std::string& target) {
    const bool is_text = target.starts_with('|') || target.starts_with('/') || target.starts_with("~/");
    if (!is_text || target.find_first_of(" ,\t\"\\") == target.npos) return target;
    std::string text = "\"";
    for (const char c : target) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
    }
    return text + "\"";
}

std::string value_of(const std::vector<std::string>& targets) {
    std::vector<std::string> parts;
    std::transform(targets.begin(), targets.end(), std::back_inserter(parts), written);
    std::string value = fmt::format("{}", fmt::join(parts, ", "));
    if (printable(value) != value) throw ToolFailure{EX_DATAERR, "control character in a target"};
    if (const auto problem = alias_value_problem(value, AliasPlace::domain); !problem.empty())
        throw ToolFailure{EX_DATAERR, problem};
    return value;
}

/// All of them, or the one of this name; false if there is none.
bool list(const std::string& text, const std::string& name) {
    bool found = false;
    for (const AliasEntry& entry : parse_alias_file(text)) {
        if (!name.empty() && !equals_ignoring_case(entry.name, name)) continue;
        found = true;
        print_output(
            "{}: {}\n", entry.name,
            entry.problem.empty() ? entry.value : fmt::format("(line {}: {})", entry.line, entry.problem));
    }
    return found;
}

/// A name without a domain is in the virtual domain. An account of that name was probably meant when the
/// domain has no such user or alias: users of other mail systems write accounts so.
void warn_of_accounts(const Config& config, const VirtualDomain& domain, const std::string& folder,
                      const std::string& value) {
    DomainFiles files(folder, domain, vhost_uid(config));
    const auto targets = parse_alias_value(value, AliasPlace::domain);
    for (const AliasTarget& target : *targets) {
        const std::string& name = target.address.local_part();
        if (target.kind != AliasTarget::Kind::address || target.address.is_qualified()) continue;
        const DomainEntry entry = files.look_up(name);
        const bool is_unknown = entry.status == DomainEntry::Status::answered && !entry.user && !entry.alias;
        if (is_unknown && find_account(name))
            print_error(
                "valias: note: {0} is {0}@{1} here, and there is no such user yet; the account is {0}@{2}\n",
                name, domain.name, config.identity.hostname);
    }
}

int carry_out(const AliasTask& task) {
    const bool is_name = task.name.find('@') != task.name.npos;
    const VirtualName name = is_name ? parse_virtual_name(task.name, true) : VirtualName{"", task.name};
    const std::string value = task.targets.empty() ? "" : value_of(task.targets);
    const Config config = config_for_tool(task.config_file);
    const VirtualDomain domain = find_domain(config, name.domain);
    const DomainFolder folder = act_as_owner(config, domain);
    ChangedFile file(folder.path, "aliases", folder.rights);

    if (task.undo) {
        file.undo();
    } else if (!value.empty()) {
        file.replace(with_alias(file.text(), to_lower(name.user), value));
        warn_of_accounts(config, domain, folder.path, value);
    } else if (task.remove) {
        const auto rest = without_alias(file.text(), name.user);
        if (!rest) throw ToolFailure{EX_NOUSER, fmt::format("{} is no alias", task.name)};
        file.replace(*rest);
    } else if (!list(file.text(), name.user) && is_name) {
        throw ToolFailure{EX_NOUSER, fmt::format("{} is no alias", task.name)};
    }
    return EX_OK;
}

}  // namespace

int valias(int argc, char** argv) {
    return run_domain_tool<AliasTask>({"valias", valias_usage, read_arguments, carry_out}, argc, argv);
}

}  // namespace postoffice
