// Addresses that users make up, usermap(7): patterns of the administrator's, which lead to files in homes.
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "expansion.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// The password database may be far away: no address makes us ask it without end.
constexpr int most_guesses = 100;

bool matches(std::string_view pattern, std::string_view text) {
    return ::fnmatch(std::string(pattern).c_str(), std::string(text).c_str(), FNM_NOESCAPE) == 0;
}

/// The account that the ~ of the pattern stands for, the longest name first.
std::optional<Account> account_in(const std::string& pattern, std::string_view name, UserDirectory& users) {
    const auto tilde = pattern.find('~');
    const std::string_view before(pattern.data(), tilde), after = std::string_view(pattern).substr(tilde + 1);
    int guesses = 0;
    for (std::size_t length = name.size(); length > 0; --length)
        for (std::size_t at = 0; at + length <= name.size(); ++at) {
            if (!matches(before, name.substr(0, at)) || !matches(after, name.substr(at + length))) continue;
            if (auto account = users.find(std::string(name.substr(at, length)))) return account;
            if (++guesses == most_guesses) return std::nullopt;
        }
    return std::nullopt;
}

}  // namespace

/// The first map with a target that matches. False if there is none.
bool Router::Expansion::expand_usermap(const std::string& name, const Address& address) {
    if (router_.config_.routing.usermaps.empty()) return false;
    const auto exact = router_.users_.find(name);
    for (const UserMap& map : router_.config_.routing.usermaps) {
        const bool has_user = map.pattern.find('~') != map.pattern.npos;
        if (!has_user && (exact || !matches(map.pattern, name))) continue;
        const auto account = has_user ? account_in(map.pattern, name, router_.users_) : std::nullopt;
        if (has_user && !account) continue;
        // Mail for one account is nothing that another could lay claim to.
        if (exact && account->name != exact->name) continue;
        const auto before = destinations_reached_;
        expanding_.push_back(name);
        const bool is_taken = expand_map(map, account, to_lower(address.local_part()));
        expanding_.pop_back();
        if (is_taken) finished_[name] = destinations_reached_ - before;
        if (is_taken) return true;
    }
    return false;
}

bool Router::Expansion::expand_map(const UserMap& map, const std::optional<Account>& account,
                                   const std::string& name) {
    for (const std::string& target : map.targets) {
        check_bounds(name);
        if (target.starts_with("~/")) {
            if (expand_personal_alias(account.value(), target.substr(2), name)) return true;
            continue;
        }
        const std::string address = target == "~" ? account.value().name : target;
        note({fmt::format("usermap {}: {} -> {}", map.pattern, name, address)});
        const auto targets = parse_alias_value(address);
        if (!targets || targets->size() != 1 || targets->front().kind != AliasTarget::Kind::address)
            throw RouteTemporary{not_delivered_now,
                                 fmt::format("usermap {}: \"{}\" is no address", map.pattern, address)};
        expand_address(targets->front().address.qualified(router_.config_.identity.hostname));
        return true;
    }
    return false;
}

/// What the user's own file has for this address. False if that is nothing.
bool Router::Expansion::expand_personal_alias(const Account& account, const std::string& name_of_file,
                                              const std::string& name) {
    const UserFile file = router_.files_.find(account, {"", name_of_file});
    const auto wait = [&](const std::string& detail) {
        return RouteTemporary{not_delivered_now, detail, account.name};
    };
    switch (file.status) {
        case UserFile::Status::found:
            break;
        case UserFile::Status::ignored:
            note({.text = "not believed: " + file.problem, .owner = account.name, .file = file.path});
            ignored_maps_.log({{"file", file.path}, {"reason", file.problem}});
            return false;
        case UserFile::Status::none:
            return false;
        default:
            route_.is_unseen = file.status == UserFile::Status::no_permission;
            throw wait(
                fmt::format("{}: {}", file.path, file.problem.empty() ? "cannot be read" : file.problem));
    }
    const auto entries = parse_alias_file(file.text);
    const auto entry =
        std::find_if(entries.begin(), entries.end(), [&](const AliasEntry& e) { return e.name == name; });
    if (entry == entries.end()) return false;
    const std::string where = fmt::format("{}:{}", file.path, entry->line);
    if (!entry->problem.empty()) throw wait(where + ": " + entry->problem);
    const auto targets = parse_alias_value(entry->value, AliasPlace::home);
    if (!targets) throw wait(where + ": " + targets.problem());
    note({.text = fmt::format("{} -> {}", name, printable(entry->value)),
          .owner = account.name,
          .file = file.path,
          .line = entry->line});
    const OwnFile own_file(*this, account, Address(name, router_.config_.identity.hostname));
    expand_own_targets(account, where, *targets);
    return true;
}

/// Addresses only: programs and files are for delivery files, where the instruction agent finds them again.
void Router::Expansion::expand_own_targets(const Account& account, const std::string& where,
                                           const std::vector<AliasTarget>& targets) {
    using Kind = AliasTarget::Kind;
    for (const AliasTarget& target : targets) {
        check_bounds(account.name);
        if (target.kind == Kind::address) {
            expand_address(target.address.qualified(router_.config_.identity.hostname));
            continue;
        }
        if (target.kind != Kind::account || !router_.is_ours(target.address))
            throw RouteTemporary{not_delivered_now,
                                 where + ": programs, files and lists belong into .forward", account.name};
        if (!expand_mailbox(target.address)) skip_unknown_member(target.address);
    }
}

}  // namespace postoffice
