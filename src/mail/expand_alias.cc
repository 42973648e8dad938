// The aliases of this host, aliases(5): what a name stands for, and the files that lists include.
#include <fmt/format.h>

#include <algorithm>

#include "expansion.h"
#include "postoffice/base/text.h"

namespace postoffice {

void Router::Expansion::take_alias(const std::string& name, const std::string& value) {
    const auto targets = parse_alias_value(value);
    if (!targets)
        throw RouteTemporary{{451, "4.3.5", fmt::format("Alias {} is broken", name)},
                             fmt::format("alias {}: {}", name, targets.problem())};
    note({.text = fmt::format("alias {} -> {}", name, printable(value)),
          .file = router_.aliases_.source(),
          .alias = name});

    const auto outer_owner = list_owner_;
    if (const std::string owner = "owner-" + name;
        !name.starts_with("owner-") && router_.aliases_.find(owner))
        list_owner_ = Address(owner, router_.config_.hostname);
    open_.push_back(name);
    take_targets(name, *targets);
    open_.pop_back();
    finished_.insert(name);
    list_owner_ = outer_owner;
}

void Router::Expansion::take_targets(const std::string& alias, const std::vector<AliasTarget>& targets) {
    for (const AliasTarget& target : targets) {
        check_bounds(alias);
        switch (target.kind) {
            case AliasTarget::Kind::address:
                take_address(target.address);
                break;
            case AliasTarget::Kind::account:
                if (!router_.is_ours(target.address))
                    take_address(target.address);
                else if (!take_mailbox(target.address))
                    leave_out_unknown(target.address);
                break;
            case AliasTarget::Kind::include:
                take_include(alias, target.text);
                break;
            case AliasTarget::Kind::program:
            case AliasTarget::Kind::file:
                take_program_or_file(alias, target);
                break;
        }
    }
}

/// A list that cannot be read, or has a line that cannot be understood, waits as a whole: nobody on it is
/// lost, and nobody gets the message twice when it is mended.
void Router::Expansion::take_include(const std::string& alias, const std::string& path) {
    if (std::find(including_.begin(), including_.end(), path) != including_.end())
        return leave_out_loop(":include:" + path);
    const auto broken = [&](const std::string& detail) {
        return RouteTemporary{{451, "4.2.4", fmt::format("List {} cannot be expanded now", alias)}, detail};
    };
    std::vector<IncludeLine> lines;
    try {
        lines = router_.aliases_.read_include(path);
    } catch (const std::exception& error) {
        throw broken(fmt::format("alias {}: {}", alias, error.what()));
    }
    including_.push_back(path);
    for (const IncludeLine& line : lines) {
        const auto targets = parse_alias_value(line.value);
        if (!targets) throw broken(fmt::format("{}:{}: {}", path, line.line, targets.problem()));
        if (in_full_)
            note({.text = fmt::format("list {} -> {}", alias, printable(line.value)),
                  .file = path,
                  .line = line.line});
        take_targets(alias, *targets);
    }
    including_.pop_back();
}

/// They run with the rights of alias-user: an alias belongs to nobody.
void Router::Expansion::take_program_or_file(const std::string& alias, const AliasTarget& target) {
    const bool is_program = target.kind == AliasTarget::Kind::program;
    if (target.text == "/dev/null")
        return reach({Target::Kind::discard, "", Address(alias, router_.config_.hostname)}, "discard");
    const std::string instruction = (is_program ? "|" : "") + target.text;
    reach({is_program ? Target::Kind::program : Target::Kind::file, "",
           Address(alias, router_.config_.hostname), instruction, alias},
          "alias " + alias + " " + instruction);
}

}  // namespace postoffice
