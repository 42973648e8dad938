// What aliases stand for, aliases(5): those of this host, and those that owners of virtual domains write; and
// the files that lists include.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "expansion.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// "*@other.example" keeps the name; "owner+*--*@host.example" the name and the domain.
std::string with_stars_replaced(std::string text, const Address& asked) {
    std::size_t at = 0;
    for (const std::string* part : {&asked.local_part(), &asked.domain()}) {
        at = text.find('*', at);
        if (at == text.npos) break;
        text.replace(at, 1, *part);
        at += part->size();
    }
    return text;
}

AliasPlace place_of(const AliasSource& alias) {
    return alias.owned_by == nullptr ? AliasPlace::host : AliasPlace::domain;
}

Destination::Source source_of(const AliasSource& alias) {
    if (alias.owned_by == nullptr) return Destination::InHostAlias{alias.name};
    return Destination::InDomainAlias{alias.name, alias.owned_by->name};
}

}  // namespace

void Router::Expansion::expand_alias(const AliasSource& alias, const std::string& value, bool has_owner) {
    const auto targets = parse_alias_value(value, place_of(alias));
    if (!targets)
        throw RouteTemporary{not_delivered_now, fmt::format("alias {}: {}", alias.shown, targets.problem())};
    const std::string file = alias.owned_by == nullptr
                                 ? router_.aliases_.source()
                                 : router_.domains_.folder_of(*alias.owned_by) + "/aliases";
    note({.text = fmt::format("alias {} -> {}", alias.shown, printable(value)),
          .file = file,
          .line = alias.line,
          .alias = alias.name});

    const auto outer_owner = list_owner_;
    const auto outer_report_to = std::exchange(report_to_, Address("postmaster", alias.domain));
    const auto before = destinations_reached_;
    if (has_owner) report_to_ = list_owner_ = Address("owner-" + alias.name, alias.domain);
    expanding_.push_back(alias.shown);
    expand_targets(alias, *targets);
    expanding_.pop_back();
    finished_[alias.shown] = destinations_reached_ - before;
    list_owner_ = outer_owner;
    report_to_ = outer_report_to;
}

void Router::Expansion::expand_targets(const AliasSource& alias, const std::vector<AliasTarget>& targets) {
    for (const AliasTarget& target : targets) {
        check_bounds(alias.shown);
        Address address = target.address;
        if (alias.owned_by != nullptr) {
            address = Address(with_stars_replaced(address.local_part(), alias.address()),
                              address.qualified(alias.domain).domain());
        }
        switch (target.kind) {
            case AliasTarget::Kind::address:
                expand_address(address);
                break;
            case AliasTarget::Kind::account:
                if (!router_.is_ours(address))
                    expand_address(address);
                else if (!expand_mailbox(address))
                    skip_unknown_member(address);
                break;
            case AliasTarget::Kind::include:
                expand_include(alias, target.text);
                break;
            case AliasTarget::Kind::program:
            case AliasTarget::Kind::file:
                expand_program_or_file(alias, target);
                break;
        }
    }
}

std::vector<IncludeLine> Router::Expansion::lines_of(const AliasSource& alias,
                                                     const std::string& path) const {
    return alias.owned_by == nullptr ? router_.aliases_.read_include(path)
                                     : read_domain_include(*alias.owned_by, path);
}

/// A list that cannot be read, or has a line that cannot be understood, waits as a whole: no member is
/// lost, and none gets the message twice when it is mended.
void Router::Expansion::expand_include(const AliasSource& alias, const std::string& path) {
    if (std::find(including_.begin(), including_.end(), path) != including_.end())
        return skip_loop(":include:" + path);
    const auto broken = [&](const std::string& detail) {
        return RouteTemporary{{451, "4.2.4", "the list cannot be expanded now"}, detail};
    };
    std::vector<IncludeLine> lines;
    try {
        lines = lines_of(alias, path);
    } catch (const std::exception& error) {
        throw broken(fmt::format("alias {}: {}", alias.shown, in_plain_words(error)));
    }
    including_.push_back(path);
    std::size_t members = 0;
    for (const IncludeLine& line : lines) {
        const auto targets = parse_destinations(line.value, place_of(alias));
        if (!targets) throw broken(fmt::format("{}:{}: {}", path, line.line, targets.problem()));
        if (in_full_)
            note({.text = fmt::format("list {} -> {}", alias.shown, printable(line.value)),
                  .file = path,
                  .line = line.line});
        expand_targets(alias, *targets);
        members += targets->size();
    }
    if (members == 0)
        note({.text = fmt::format("list {}: no address is in this file", alias.shown), .file = path});
    including_.pop_back();
}

/// They run with the rights of alias-user, since an alias of this host belongs to no account; those of a
/// virtual domain with its owner's.
void Router::Expansion::expand_program_or_file(const AliasSource& alias, const AliasTarget& target) {
    if (target.text == "/dev/null")
        return add_destination({Destination::Discard{}, alias.address()}, "discard");
    Destination destination{instruction_kind(target, source_of(alias)), routed_.value_or(alias.address())};
    std::string key = "alias " + alias.shown + " " + destination_key(destination);
    add_destination(std::move(destination), std::move(key));
}

}  // namespace postoffice
