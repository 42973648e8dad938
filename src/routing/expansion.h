// The walk from one recipient of ours to all the places it leads to: what Router::route() does for an address
// in a domain of ours. expansion.cc is the walk and its bounds, expand_alias.cc what aliases stand for,
// expand_usermap.cc addresses that users make up, expand_user.cc what accounts say themselves,
// expand_domain.cc the names of virtual domains.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/log.h"
#include "postoffice/routing/alias_file.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/delivery_file.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {

/// Thrown within an expansion: mail for this recipient has to wait.
struct RouteTemporary {
    Reply reply;             ///< says why, and names nothing: Router::route() puts the recipient in front
    std::string detail;      ///< for the log and the trace: may name files, which is nothing for strangers
    std::string owner = "";  ///< see Route::Step; empty: that of the file that led here
};

/// What a client hears of trouble that may name files, aliases or accounts.
inline const Reply not_delivered_now{451, "4.3.5", "cannot be delivered now"};

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

/// A program or a file, as a destination.
Destination::Kind instruction_kind(const AliasTarget& target, Destination::Source source);

class Router::Expansion {
  public:
    Expansion(Router& router, Route& route, const Address& recipient, bool in_full)
        : router_(router), route_(route), recipient_(recipient), in_full_(in_full) {}

    void expand_recipient();

  private:
    /// While it lives, what is expanded stands in a user's own file: `address` led there.
    class OwnFile {
      public:
        OwnFile(Expansion& expansion, const Account& account, const Address& address);
        ~OwnFile();
        OwnFile(const OwnFile&) = delete;
        OwnFile& operator=(const OwnFile&) = delete;

      private:
        Expansion& expansion_;
        std::optional<Address> report_to_;  ///< this and the others: as they were before
        std::string file_owner_;
        std::optional<Address> disclosed_;
    };

    void expand_address(const Address& address);
    void expand_elsewhere(const Address& address);
    bool is_kept_elsewhere(const Address& address);
    void expand_local(const Address& address);
    void expand_local_name(const Address& address, const std::string& name);
    void expand_alias(const AliasSource& alias, const std::string& value, bool has_owner);
    void expand_targets(const AliasSource& alias, const std::vector<AliasTarget>& targets);
    void expand_include(const AliasSource& alias, const std::string& path);
    void expand_program_or_file(const AliasSource& alias, const AliasTarget& target);
    std::vector<IncludeLine> lines_of(const AliasSource& alias, const std::string& path) const;

    void expand_virtual(const VirtualDomain& domain, const Address& address);
    void expand_virtual_name(const VirtualDomain& domain, const Address& address, const std::string& mark);
    bool expand_virtual_user(const VirtualDomain& domain, const std::string& name, const Address& address);
    void expand_domain_owner(const VirtualDomain& domain, const Address& address);
    DomainEntry look_up(const VirtualDomain& domain, const std::string& name) const;

    bool expand_usermap(const std::string& name, const Address& address);
    bool expand_map(const UserMap& map, const std::optional<Account>& account, const std::string& name);
    bool expand_personal_alias(const Account& account, const std::string& file, const std::string& name);
    void expand_own_targets(const Account& account, const std::string& where,
                            const std::vector<AliasTarget>& targets);

    bool expand_account(const Address& address);
    bool expand_mailbox(const Address& address);
    void expand_user(const Account& account, const std::string& extension, const Address& address);
    void expand_user_files(const Account& account, const std::string& extension, const Address& address);
    void expand_delivery_file(const Account& account, const UserFile& file, const std::string& extension,
                              const Address& address);
    enum class QmailOwner { none, of_all, of_each };
    QmailOwner qmail_owner(const Account& account, const std::string& extension);
    void expand_instruction(const Account& account, const UserFile& file, const Instruction& instruction,
                            const Address& address);
    void expand_postmaster();
    void add_destination(Destination destination, std::string key);
    void note(Route::Step step);
    bool is_finished(const std::string& name);
    void skip_member(const Address& member, std::string_view why, Reply refusal);
    void skip_loop(const std::string& name);
    void skip_unknown_member(const Address& address);
    Address postmaster() const { return Address("postmaster", router_.config_.identity.hostname); }
    void check_bounds(const std::string& alias);

    Router& router_;
    Route& route_;
    const Address& recipient_;
    const bool in_full_;
    const std::string shown_ = "<" + recipient_.to_string() + ">";
    RepeatedEvent skipped_{"alias-member-skipped", {"to", shown_}};
    RepeatedEvent ignored_{"delivery-file-ignored", {"to", shown_}};
    RepeatedEvent empty_{"delivery-file-empty", {"to", shown_}};
    RepeatedEvent ignored_maps_{"usermap-file-ignored", {"to", shown_}};
    // What is being expanded, outermost first.
    std::vector<std::string> expanding_;           ///< aliases, and accounts as "~name"
    std::vector<std::string> including_;           ///< files
    std::vector<std::string> catching_;            ///< virtual domains with "*"
    std::map<std::string, std::size_t> finished_;  ///< by alias or account: the destinations that it reached
    std::set<std::string> known_destinations_;
    std::size_t destinations_reached_ = 0;  ///< each time, those that were known already, too
    std::optional<Address> list_owner_;     ///< the sender for what the innermost list with an owner leads to
    /// Gets the report about members that lead nowhere: the owner of the list, the user of the file, or
    /// postmaster.
    std::optional<Address> report_to_;
    std::string file_owner_;            ///< the account of the file that led here; "" if none did
    std::optional<Address> routed_;     ///< the address elsewhere whose route is the alias at hand
    std::optional<Address> disclosed_;  ///< the address that had led to that file
    std::optional<Reply> dead_end_;     ///< the first reason why a member leads nowhere
    std::size_t skipped_count_ = 0;     ///< members that lead nowhere
    std::size_t names_ = 0;
};

}  // namespace postoffice
