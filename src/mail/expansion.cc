#include "expansion.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t most_nested = 50;     ///< aliases and included files within each other
constexpr std::size_t most_names = 20'000;  ///< of one expansion, however many of them are the same

}  // namespace

void Router::Expansion::take_recipient(const Address& address) {
    take_address(address);
    if (route_.hops.empty() && equals_ignoring_case(address.local_part(), "postmaster") &&
        router_.is_on_host(address))
        take_postmaster();
    if (!route_.hops.empty()) return;
    route_.status = Route::Status::unknown;
    route_.refusal = dead_end_.value();
}

void Router::Expansion::take_address(const Address& address) {
    if (const VirtualDomain* domain = router_.virtual_domain_of(address))
        take_virtual(*domain, address);
    else if (router_.is_on_host(address))
        take_local(address);
    else
        reach({Target::Kind::remote, "", address}, address.to_string());
}

/// Aliases win over usermaps, and both over accounts. A name in its own alias means the account, so that
/// "bob: bob, bob@elsewhere" keeps a copy here; in the account's own file it means the mailbox.
void Router::Expansion::take_local(const Address& address) {
    const std::string name = to_lower(address.local_part());
    if (!open_.empty() && open_.back() == "~" + name && take_mailbox(address)) return;
    if (!open_.empty() && open_.back() == name && take_account(address)) return;
    if (std::find(open_.begin(), open_.end(), name) != open_.end()) return leave_out_loop(name);
    if (finished_.contains(name)) return;
    if (const auto value = router_.aliases_.find(address.local_part())) {
        const std::string owner = "owner-" + name;
        const bool has_owner = !name.starts_with("owner-") && router_.aliases_.find(owner);
        return take_alias({name, router_.config_.hostname, name}, *value, has_owner);
    }
    if (take_usermap(name, address)) return;
    if (!take_account(address)) leave_out_unknown(address);
}

/// RFC 5321 section 4.5.1: there is always a postmaster. Where nobody was named, it is root, or whoever is
/// alone.
void Router::Expansion::take_postmaster() {
    const Address root("root", router_.config_.hostname);
    const std::string& only_user = router_.users_.only_user();
    take_local(root);
    if (route_.hops.empty()) take_account(root);
    if (route_.hops.empty() && !only_user.empty()) take_account(Address(only_user, router_.config_.hostname));
    if (!route_.hops.empty()) note({"postmaster leads nowhere else and must exist"});
}

/// Each destination once.
void Router::Expansion::reach(Target target, std::string key) {
    if (!reached_.insert(std::move(key)).second) return;
    route_.hops.push_back({std::move(target), list_owner_.value_or(Address()), list_owner_.has_value()});
}

/// A member that leads nowhere must not hurt the others; it decides only if nobody else is left.
void Router::Expansion::leave_out(const std::string& name, std::string_view why, Reply refusal) {
    if (!dead_end_) dead_end_ = std::move(refusal);
    if (open_.empty()) return;
    note({fmt::format("{}: {}, left out", name, why)});
    log_event("", "alias-member-skipped", {{"alias", open_.back()}, {"member", name}, {"reason", why}});
}

void Router::Expansion::leave_out_loop(const std::string& name) {
    const auto start = std::find(open_.begin(), open_.end(), name);
    const std::string path = fmt::format(
        "{}->{}", fmt::join(start == open_.end() ? open_.begin() : start, open_.end(), "->"), name);
    leave_out(name, "alias loop " + path, {550, "5.4.6", "Alias loop: " + path});
}

void Router::Expansion::leave_out_unknown(const Address& address) {
    leave_out(address.to_string(), "no such user", {550, "5.1.1", address.to_string() + ": no such user"});
}

void Router::Expansion::check_bounds(const std::string& alias) {
    std::string problem;
    if (open_.size() + including_.size() > most_nested) problem = "nested too deep";
    if (++names_ > most_names) problem = fmt::format("more than {} names", most_names);
    if (!problem.empty())
        throw RouteTemporary{{451, "4.2.4", fmt::format("List {} cannot be expanded: {}", alias, problem)},
                             fmt::format("alias {}: {}", fmt::join(open_, "->"), problem)};
}

}  // namespace postoffice
