#include "expansion.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t most_nested = 50;     ///< aliases and included files within each other
constexpr std::size_t most_names = 20'000;  ///< of one expansion, however many of them are the same
constexpr std::size_t most_told = 20;       ///< members that lead nowhere, to their report_to
constexpr std::string_view postmaster_name = "postmaster";
constexpr std::string_view report_sender_name =
    "mailer-daemon";  ///< the author of our reports, in lower case

/// RFC 3463 section 3.3: mailing list expansion problem. The router puts the address in front.
Reply no_member() {
    return {550, "5.2.4", "there is no address on this list"};
}

}  // namespace

Destination::Kind instruction_kind(const AliasTarget& target, Destination::Source source) {
    if (target.kind == AliasTarget::Kind::program)
        return Destination::Program{target.text, std::move(source)};
    return Destination::File{target.text, std::move(source)};
}

void Router::Expansion::expand_recipient() {
    expand_address(recipient_);
    if (!route_.hops.empty()) return;
    route_.status = Route::Status::unknown;
    route_.skipped_members.clear();
    if (!dead_end_) log_event("", "no-destination", {{"to", shown_}});
    route_.refusal = dead_end_.value_or(no_member());
}

void Router::Expansion::expand_address(const Address& address) {
    if (is_kept_elsewhere(address))
        return add_destination({Destination::Remote{}, address}, address.to_string());
    if (const VirtualDomain* domain = router_.virtual_domain_of(address))
        expand_virtual(*domain, address);
    else if (router_.is_on_host(address))
        expand_local(address);
    else
        expand_elsewhere(address);
}

/// A route that is an alias holds for members of lists, too. An alias that leads nowhere is a mistake of this
/// host, not of the address: its mail waits.
void Router::Expansion::expand_elsewhere(const Address& address) {
    const NextHops::Answer answer = router_.next_hops_.find(address, Address());
    const auto* alias = answer.next_hop.as<NextHop::Alias>();
    if (alias == nullptr) return add_destination({Destination::Remote{}, address}, address.to_string());
    note({.text = fmt::format("route {} {}", answer.key, answer.value),
          .file = answer.file,
          .line = answer.line});
    const auto before = destinations_reached_;
    const auto outer = std::exchange(routed_, address);
    expand_local(Address(alias->name, router_.config_.identity.hostname));
    routed_ = outer;
    if (destinations_reached_ == before)
        throw RouteTemporary{not_delivered_now,
                             fmt::format("the alias {} of a route leads nowhere", alias->name)};
}

/// By a better mail host of its domain: mxpool.
bool Router::Expansion::is_kept_elsewhere(const Address& address) {
    if (!router_.is_ours(address)) return false;
    switch (router_.pool_.place_of(address.domain())) {
        case MxPool::Place::here:
            return false;
        case MxPool::Place::better_host:
            note({fmt::format("mxpool: {} has a better mail host", address.domain())});
            return true;
        case MxPool::Place::unknown:
            break;
    }
    throw RouteTemporary{{451, "4.4.3", "the mail hosts of its domain cannot be looked up now"},
                         "mxpool: DNS does not tell the mail hosts of " + address.domain()};
}

/// RFC 5321 section 4.5.1: there is always a postmaster, whatever names it. What answers the sender of our
/// reports is for postmaster as well.
void Router::Expansion::expand_local(const Address& address) {
    const std::string name = to_lower(address.local_part());
    const auto before = destinations_reached_;
    expand_local_name(address, name);
    if (name == postmaster_name && destinations_reached_ == before) expand_postmaster();
}

/// Aliases win over usermaps, and both over accounts. A name in its own alias means the account, so that
/// "bob: bob, bob@elsewhere" keeps a copy here; in the account's own file it means the mailbox.
void Router::Expansion::expand_local_name(const Address& address, const std::string& name) {
    if (!expanding_.empty() && expanding_.back() == "~" + name && expand_mailbox(address)) return;
    if (!expanding_.empty() && expanding_.back() == name && expand_account(address)) return;
    if (std::find(expanding_.begin(), expanding_.end(), name) != expanding_.end()) return skip_loop(name);
    if (!routed_ && is_finished(name)) return;
    if (const auto value = router_.aliases_.find(address.local_part())) {
        const std::string owner = "owner-" + name;
        const bool has_owner = !name.starts_with("owner-") && router_.aliases_.find(owner);
        return expand_alias({name, router_.config_.identity.hostname, name}, *value, has_owner);
    }
    if (expand_usermap(name, address) || expand_account(address)) return;
    if (name != report_sender_name) return skip_unknown_member(address);
    note({"answers to reports go to postmaster"});
    expand_local(postmaster());
}

/// Without an alias or account, postmaster is root, or the only user. Root's own mailbox is always left for
/// it.
void Router::Expansion::expand_postmaster() {
    const auto before = destinations_reached_;
    const Address root("root", router_.config_.identity.hostname);
    const std::string& only_user = router_.users_.only_user();
    if (router_.aliases_.find("root") || router_.users_.find("root")) expand_local(root);
    if (destinations_reached_ == before) expand_account(root);
    if (destinations_reached_ == before) expand_mailbox(root);
    if (destinations_reached_ == before && !only_user.empty())
        expand_account(Address(only_user, router_.config_.identity.hostname));
    if (destinations_reached_ != before) note({"postmaster leads nowhere else and must exist"});
}

void Router::Expansion::note(Route::Step step) {
    if (step.owner.empty()) step.owner = file_owner_;
    route_.steps.push_back(std::move(step));
}

/// Each destination once.
void Router::Expansion::add_destination(Destination destination, std::string key) {
    ++destinations_reached_;
    if (!known_destinations_.insert(std::move(key)).second) return;
    const bool is_private = disclosed_ && *disclosed_ != destination.address;
    route_.hops.push_back({std::move(destination), list_owner_.value_or(Address()), list_owner_.has_value(),
                           is_private ? disclosed_ : std::nullopt});
}

/// What was reached by a name before is reached by it again.
bool Router::Expansion::is_finished(const std::string& name) {
    const auto known = finished_.find(name);
    if (known == finished_.end()) return false;
    destinations_reached_ += known->second;
    return true;
}

/// A member that leads nowhere must not hurt the others; it decides only if no other is left. The message is
/// sent to it all the same, so that the owner of the list, or of the file, gets the report of its failure.
void Router::Expansion::skip_member(const Address& member, std::string_view why, Reply refusal) {
    // The reason is told of the address that was asked for, not of what it leads to.
    if (!expanding_.empty()) refusal.text = "leads nowhere";
    if (!dead_end_) dead_end_ = std::move(refusal);
    if (expanding_.empty()) return;
    const Address lost = member.qualified(router_.config_.identity.hostname);
    const Address report_to = report_to_.value_or(postmaster());
    note({fmt::format("{}: {}, left out; {} is told", member.to_string(), why, report_to.to_string())});
    if (!known_destinations_.insert("left out " + lost.to_string()).second) return;
    skipped_.log({{"alias", expanding_.back()}, {"member", member.to_string()}, {"reason", why}});
    if (++skipped_count_ <= most_told)
        route_.skipped_members.push_back({{Destination::Unrouted{}, lost}, report_to, true, {}});
}

/// Nothing is lost: what the name leads to has the message already, or gets it.
void Router::Expansion::skip_loop(const std::string& name) {
    if (!dead_end_) dead_end_ = Reply{550, "5.4.6", "an alias leads back to itself"};
    if (expanding_.empty()) return;
    const auto start = std::find(expanding_.begin(), expanding_.end(), name);
    const std::string path = fmt::format(
        "{}->{}", fmt::join(start == expanding_.end() ? expanding_.begin() : start, expanding_.end(), "->"),
        name);
    note({fmt::format("{}: alias loop {}, left out", name, path)});
    skipped_.log({{"alias", expanding_.back()}, {"member", name}, {"reason", "alias loop " + path}});
}

void Router::Expansion::skip_unknown_member(const Address& address) {
    const bool is_postmaster = equals_ignoring_case(address.local_part(), postmaster_name);
    if (is_postmaster && router_.is_on_host(address)) return expand_postmaster();
    skip_member(address, "no such user", {550, "5.1.1", "no such user"});
}

void Router::Expansion::check_bounds(const std::string& alias) {
    std::string problem;
    if (expanding_.size() + including_.size() > most_nested) problem = "nested too deep";
    if (++names_ > most_names) problem = fmt::format("more than {} names", most_names);
    if (!problem.empty())
        throw RouteTemporary{{451, "4.2.4", "the list cannot be expanded"},
                             fmt::format("alias {}: {}: {}", alias, fmt::join(expanding_, "->"), problem)};
}

}  // namespace postoffice
