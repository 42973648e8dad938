// The walk from one recipient of ours to all the places it leads to: what Router::route() does for an address
// in a domain of ours. expansion.cc is the walk and its bounds, expand_alias.cc what aliases stand for,
// expand_usermap.cc addresses that users make up, expand_user.cc what accounts say themselves,
// expand_domain.cc the names of virtual domains.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/mail/alias_file.h"
#include "postoffice/mail/aliases.h"
#include "postoffice/mail/delivery_file.h"
#include "postoffice/mail/router.h"
#include "postoffice/mail/user_files.h"
#include "postoffice/mail/users.h"

namespace postoffice {

/// Thrown within an expansion: mail for this recipient has to wait.
struct RouteTemporary {
    Reply reply;
    std::string detail;      ///< for the log and the trace: may name files, which is nothing for strangers
    std::string owner = "";  ///< see Route::Step
};

/// An alias that is being expanded: of this host, or of a virtual domain.
struct AliasSource {
    std::string name;
    std::string domain;  ///< the one that names without a domain are in
    std::string shown;   ///< for people, and the mark of what is open: "list", "list@virtual.example"
    const VirtualDomain* owned_by = nullptr;  ///< null: of this host
    unsigned line = 0;                        ///< in that domain's aliases; 0: not known
    std::string asked_domain =
        "";                   ///< of a virtual domain: which of its subdomains, if it is not `domain` itself
    std::string caught = "";  ///< of a virtual domain's "*": the name that it stands in for

    /// What led here.
    Address address() const {
        return Address(caught.empty() ? name : caught, asked_domain.empty() ? domain : asked_domain);
    }
};

class Router::Expansion {
  public:
    Expansion(Router& router, Route& route, bool in_full)
        : router_(router), route_(route), in_full_(in_full) {}

    void take_recipient(const Address& address);

  private:
    void take_address(const Address& address);
    void take_local(const Address& address);
    void take_alias(const AliasSource& alias, const std::string& value, bool has_owner);
    void take_targets(const AliasSource& alias, const std::vector<AliasTarget>& targets);
    void take_include(const AliasSource& alias, const std::string& path);
    void take_program_or_file(const AliasSource& alias, const AliasTarget& target);
    std::vector<IncludeLine> lines_of(const AliasSource& alias, const std::string& path) const;

    void take_virtual(const VirtualDomain& domain, const Address& address);
    void take_virtual_name(const VirtualDomain& domain, const Address& address, const std::string& mark);
    bool take_virtual_user(const VirtualDomain& domain, const std::string& name, const Address& address);
    void take_domain_owner(const VirtualDomain& domain, const Address& address);
    DomainEntry look_up(const VirtualDomain& domain, const std::string& name) const;

    bool take_usermap(const std::string& name, const Address& address);
    bool take_map(const UserMap& map, const std::optional<Account>& account, const std::string& name);
    bool take_personal_alias(const Account& account, const std::string& file, const std::string& name);
    void take_own_targets(const Account& account, const std::string& where,
                          const std::vector<AliasTarget>& targets);

    bool take_account(const Address& address);
    bool take_mailbox(const Address& address);
    void take_user(const Account& account, const std::string& extension, const Address& address);
    void take_delivery_file(const Account& account, const UserFile& file, const Address& address);
    void take_instruction(const Account& account, const UserFile& file, const Instruction& instruction,
                          const Address& address);
    void take_postmaster();
    void reach(Target target, std::string key);
    void note(Route::Step step) { route_.steps.push_back(std::move(step)); }
    void leave_out(const std::string& name, std::string_view why, Reply refusal);
    void leave_out_loop(const std::string& name);
    void leave_out_unknown(const Address& address);
    void check_bounds(const std::string& alias);

    Router& router_;
    Route& route_;
    const bool in_full_;
    std::vector<std::string> open_;  ///< aliases, and accounts as "~name", being expanded, outermost first
    std::vector<std::string> including_;  ///< files being included, outermost first
    std::vector<std::string> catching_;   ///< virtual domains whose "*" is being expanded, outermost first
    std::set<std::string> finished_;      ///< aliases and accounts that were expanded
    std::set<std::string> reached_;       ///< destinations
    std::optional<Address> list_owner_;   ///< the sender for what the innermost list with an owner leads to
    std::optional<Reply> dead_end_;       ///< the first reason why a member leads nowhere
    std::size_t names_ = 0;
};

}  // namespace postoffice
