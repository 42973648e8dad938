#include "postoffice/mail/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/aliases.h"
#include "postoffice/mail/users.h"

namespace postoffice {
namespace {

constexpr std::size_t most_nested = 50;     ///< aliases and included files within each other
constexpr std::size_t most_names = 20'000;  ///< of one expansion, however many of them are the same

/// Thrown within an expansion: mail for this recipient has to wait.
struct Temporary {
    Reply reply;
    std::string detail;  ///< for the log and the trace: may name files, which is nothing for strangers
};

}  // namespace

/// The walk from one recipient of ours to all the places it leads to.
class Router::Expansion {
  public:
    Expansion(Router& router, Route& route) : router_(router), route_(route) {}

    void take_recipient(const Address& address);

  private:
    void take_address(const Address& address);
    void take_local(const Address& address);
    void take_alias(const std::string& name, const std::string& value);
    void take_targets(const std::string& alias, const std::vector<AliasTarget>& targets);
    void take_include(const std::string& alias, const std::string& path);
    bool take_account(const Address& address);
    void take_postmaster();
    void reach(Target target, std::string key);
    void leave_out(const std::string& name, std::string_view why, Reply refusal);
    void leave_out_loop(const std::string& name);
    void leave_out_unknown(const Address& address);
    void check_bounds(const std::string& alias);

    Router& router_;
    Route& route_;
    std::vector<std::string> open_;       ///< aliases being expanded, outermost first
    std::vector<std::string> including_;  ///< files being included, outermost first
    std::set<std::string> finished_;      ///< aliases that were expanded
    std::set<std::string> reached_;       ///< destinations
    std::optional<Address> list_owner_;   ///< the sender for what the innermost list with an owner leads to
    std::optional<Reply> dead_end_;       ///< the first reason why a member leads nowhere
    std::size_t names_ = 0;
};

void Router::Expansion::take_recipient(const Address& address) {
    take_local(address);
    if (route_.hops.empty() && equals_ignoring_case(address.local_part(), "postmaster")) take_postmaster();
    if (!route_.hops.empty()) return;
    route_.status = Route::Status::unknown;
    route_.refusal = dead_end_.value();
}

void Router::Expansion::take_address(const Address& address) {
    if (router_.is_ours(address))
        take_local(address);
    else
        reach({Target::Kind::remote, "", address}, address.to_string());
}

/// Aliases win over accounts. A name in its own alias means the account, so that "bob: bob, bob@elsewhere"
/// keeps a copy here.
void Router::Expansion::take_local(const Address& address) {
    const std::string name = to_lower(address.local_part());
    if (!open_.empty() && open_.back() == name && take_account(address)) return;
    if (std::find(open_.begin(), open_.end(), name) != open_.end()) return leave_out_loop(name);
    if (finished_.contains(name)) return;
    if (const auto value = router_.aliases_.find(address.local_part())) return take_alias(name, *value);
    if (!take_account(address)) leave_out_unknown(address);
}

void Router::Expansion::take_alias(const std::string& name, const std::string& value) {
    const auto targets = parse_alias_value(value);
    if (!targets)
        throw Temporary{{451, "4.3.5", fmt::format("Alias {} is broken", name)},
                        fmt::format("alias {}: {}", name, targets.problem())};
    route_.steps.push_back(
        fmt::format("alias {} -> {} ({})", name, printable(value), router_.aliases_.source()));

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
                else if (!take_account(target.address))
                    leave_out_unknown(target.address);
                break;
            case AliasTarget::Kind::include:
                take_include(alias, target.text);
                break;
            case AliasTarget::Kind::program:
            case AliasTarget::Kind::file: {
                const auto why =
                    target.kind == AliasTarget::Kind::file ? files_not_supported : programs_not_supported;
                throw Temporary{{451, "4.3.5", fmt::format("Alias {}: {}", alias, why)},
                                fmt::format("alias {}: {} ({})", alias, why, printable(target.text))};
            }
        }
    }
}

/// A list that cannot be read, or has a line that cannot be understood, waits as a whole: nobody on it is
/// lost, and nobody gets the message twice when it is mended.
void Router::Expansion::take_include(const std::string& alias, const std::string& path) {
    if (std::find(including_.begin(), including_.end(), path) != including_.end())
        return leave_out_loop(":include:" + path);
    const auto broken = [&](const std::string& detail) {
        return Temporary{{451, "4.2.4", fmt::format("List {} cannot be expanded now", alias)}, detail};
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
        take_targets(alias, *targets);
    }
    including_.pop_back();
}

bool Router::Expansion::take_account(const Address& address) {
    const auto account = router_.users_.find(address.local_part());
    if (!account) return false;
    reach({Target::Kind::mailbox, account->name, address.qualified(router_.config_.hostname)},
          "mailbox " + account->name);
    return true;
}

/// RFC 5321 section 4.5.1: there is always a postmaster. Where nobody was named, it is root, or whoever is
/// alone.
void Router::Expansion::take_postmaster() {
    const Address root("root", router_.config_.hostname);
    const std::string& only_user = router_.users_.only_user();
    take_local(root);
    if (route_.hops.empty()) take_account(root);
    if (route_.hops.empty() && !only_user.empty()) take_account(Address(only_user, router_.config_.hostname));
    if (!route_.hops.empty()) route_.steps.push_back("postmaster leads nowhere else and must exist");
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
    route_.steps.push_back(fmt::format("{}: {}, left out", name, why));
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
        throw Temporary{{451, "4.2.4", fmt::format("List {} cannot be expanded: {}", alias, problem)},
                        fmt::format("alias {}: {}", fmt::join(open_, "->"), problem)};
}

Router::Router(const Config& config, AliasTable& aliases, UserDirectory& users,
               std::vector<IpAddress> own_addresses)
    : config_(config), aliases_(aliases), users_(users), own_addresses_(std::move(own_addresses)) {}

bool Router::is_ours(const Address& address) const {
    const std::string& domain = address.domain();
    if (!address.is_qualified() || config_.is_local_domain(domain)) return true;
    if (domain.front() != '[') return false;
    const auto literal = IpAddress::parse_literal(domain);
    return literal &&
           std::find(own_addresses_.begin(), own_addresses_.end(), *literal) != own_addresses_.end();
}

Route Router::route(const Address& recipient) {
    Route route;
    route.is_local = is_ours(recipient);
    if (!route.is_local) {
        route.hops.push_back({{Target::Kind::remote, "", recipient}, {}, false});
        return route;
    }
    std::string detail;
    try {
        aliases_.refresh();
        Expansion(*this, route).take_recipient(recipient);
        return route;
    } catch (const Temporary& temporary) {
        route.refusal = temporary.reply;
        detail = temporary.detail;
    } catch (const std::exception& error) {
        route.refusal = {451, "4.3.0", recipient.to_string() + ": cannot be looked up now"};
        detail = error.what();
    }
    route.status = Route::Status::temporary;
    route.hops.clear();
    route.steps.push_back(detail);
    log_event("", "route-deferred", {{"recipient", recipient.to_string()}, {"reason", detail}});
    return route;
}

}  // namespace postoffice
