// Names of virtual domains, vhosts(7): the aliases of the domain, its users, the names that
// must exist in any case, and "*" for all the others.
#include <fmt/format.h>

#include <algorithm>

#include "expansion.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

bool is_always_there(const std::string& name) {
    return name == "postmaster" || name == "webmaster";
}

}  // namespace

void Router::Expansion::expand_virtual(const VirtualDomain& domain, const Address& address) {
    const std::string& file = router_.domains_.file();
    if (!domain.problem.empty())
        throw RouteTemporary{not_delivered_now, fmt::format("{}:{}: {}", file, domain.line, domain.problem)};
    if (!domain.active) {
        note(
            {.text = fmt::format("domain {} is not active", domain.name), .file = file, .line = domain.line});
        return skip_member(address, "its domain is not active",
                           {550, "5.2.1", "the domain does not take mail at present"});
    }
    note({.text = fmt::format("virtual domain {}", domain.name), .file = file, .line = domain.line});
    const std::string mark = to_lower(address.local_part()) + "@" + address.domain();
    // A name in its own alias means the mailbox.
    if (!expanding_.empty() && expanding_.back() == mark &&
        expand_virtual_user(domain, address.local_part(), address))
        return;
    if (std::find(expanding_.begin(), expanding_.end(), mark) != expanding_.end()) return skip_loop(mark);
    if (is_finished(mark)) return;
    expand_virtual_name(domain, address, mark);
}

/// What is there by that name comes first, exactly or without its extension; "*" takes what is left.
void Router::Expansion::expand_virtual_name(const VirtualDomain& domain, const Address& address,
                                            const std::string& mark) {
    const std::string name = to_lower(address.local_part());
    const std::string subdomain = address.domain() == domain.name ? "" : address.domain();
    if (const DomainEntry entry = look_up(domain, name); entry.alias && name != "*") {
        const bool has_owner = !name.starts_with("owner-") && look_up(domain, "owner-" + name).alias;
        return expand_alias({name, domain.name, mark, &domain, entry.alias_line, subdomain}, *entry.alias,
                            has_owner);
    }
    if (expand_virtual_user(domain, address.local_part(), address)) return;
    for (const ExtendedName& extended : extended_names(name, router_.config_.routing.recipient_delimiter))
        if (expand_virtual_user(domain, extended.user, address)) return;
    if (is_always_there(name)) return expand_domain_owner(domain, address);
    // "* -> foo" without a foo: nothing more can be had from "*".
    if (std::find(catching_.begin(), catching_.end(), domain.name) == catching_.end()) {
        if (const DomainEntry all = look_up(domain, "*"); all.alias) {
            catching_.push_back(domain.name);
            expand_alias({"*", domain.name, mark, &domain, all.alias_line, subdomain, address.local_part()},
                         *all.alias, false);
            catching_.pop_back();
            return;
        }
    }
    skip_unknown_member(address);
}

/// The mailbox of that name, if there is one. Virtual users have no home, and so no files that say more; nor
/// do those of the account that one may be.
bool Router::Expansion::expand_virtual_user(const VirtualDomain& domain, const std::string& name,
                                            const Address& address) {
    const DomainEntry entry = look_up(domain, name);
    std::string user = entry.user.value_or("");
    if (entry.status == DomainEntry::Status::no_permission && is_virtual_user_name(name)) {
        note({fmt::format("the files of {} cannot be looked at from here", domain.name)});
        route_.is_unseen = true;
        user = to_lower(name);
    }
    if (user.empty()) return false;
    const std::string file = router_.domains_.folder_of(domain) + "/passwd";
    if (const auto owner = entry.is_owner ? find_login(domain.owner) : std::nullopt) {
        note({.text = fmt::format("virtual user {}@{} is the account {}", user, domain.name, owner->name),
              .file = file});
        add_destination({Destination::Mailbox{owner->name}, address}, "mailbox " + owner->name);
        return true;
    }
    note({.text = fmt::format("virtual user {}@{}", user, domain.name), .file = file});
    add_destination({Destination::VirtualMailbox{user, domain.name}, address},
                    "mailbox " + user + "@" + domain.name);
    return true;
}

/// RFC 5321 section 4.5.1: there is always a postmaster. For a domain that is its owner; for
/// root's domains the host's postmaster.
void Router::Expansion::expand_domain_owner(const VirtualDomain& domain, const Address& address) {
    const auto owner = find_login(domain.owner);
    const bool has_owner = owner && owner->uid != 0;
    const std::string name = has_owner ? owner->name : "postmaster";
    note({.text = fmt::format("{} goes to {}, the owner of the domain", address.to_string(), name),
          .file = router_.domains_.file(),
          .line = domain.line});
    const auto before = destinations_reached_;
    expand_local(Address(name, router_.config_.identity.hostname));
    if (destinations_reached_ == before) expand_postmaster();
}

DomainEntry Router::Expansion::look_up(const VirtualDomain& domain, const std::string& name) const {
    DomainEntry entry = router_.files_.domain_entry(router_.domains_.folder_of(domain), domain, name);
    if (entry.status == DomainEntry::Status::temporary)
        throw RouteTemporary{not_delivered_now, entry.problem};
    return entry;
}

}  // namespace postoffice
