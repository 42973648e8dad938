// The router: from an address to where its mail goes, or why it goes nowhere. The same code answers at RCPT,
// on delivery, in -bv and in the trace.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/ip_address.h"
#include "postoffice/base/result.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"
#include "postoffice/routing/address_map.h"
#include "postoffice/routing/availability.h"
#include "postoffice/routing/mx_pool.h"
#include "postoffice/routing/next_hops.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {

/// Where one recipient leads.
struct Route {
    enum class Status {
        accepted,
        unknown,    ///< permanent: no such user; alias loop; broken expansion
        temporary,  ///< a database or file could not be read
    } status = Status::accepted;
    /// Set unless accepted. Names no address but the one that was asked for: where that leads can be the
    /// private matter of a user.
    Reply refusal;
    struct Hop {
        Destination destination;
        Address sender;  ///< replaces the envelope sender if `new_sender` (lists: owner-NAME)
        bool new_sender = false;
        /// Set if a user's own file led here: the address that led to the file. Reports to others name it in
        /// place of the destination's.
        std::optional<Address> disclosed = {};
    };
    std::vector<Hop> hops;  ///< at least one if accepted; each destination once
    /// Members of aliases, lists and delivery files that lead nowhere, at most 20, as Destination::Unrouted.
    /// The sender is the address that hears of it.
    std::vector<Hop> skipped_members = {};
    /// What was decided on the way, for people: "alias root -> bob".
    struct Step {
        std::string text;
        std::string owner =
            "";  ///< the account of the delivery file that this quotes: not shown to other users
        std::string file = "";   ///< that says so; empty: none does
        unsigned line = 0;       ///< of it; 0: not known
        std::string alias = "";  ///< the name to look for in the file, where the line is not known
    };
    std::vector<Step> steps;
    bool is_local = false;  ///< the address itself is in a domain of ours
    /// Every client may send to the address: it is in a domain of ours, or in one of relay-domains.
    bool is_for_all = false;
    /// Files that this process cannot read decide where some or all of it goes.
    bool is_unseen = false;
    bool lacks_delivery_file = false;  ///< an account has none for the extension, which it needs
};

class AliasTable;
class UserDirectory;
class UserFiles;

class Router {
  public:
    /// Keeps references; all must outlive the router. `own_addresses`: an address literal of one of them is
    /// as good as our host name.
    Router(const Config& config, AliasTable& aliases, UserDirectory& users, UserFiles& files,
           std::vector<IpAddress> own_addresses = {});
    /// `recipient` is qualified, or a name of this host. Does not throw: an error is Status::temporary.
    /// `in_full`: each line of a list that is included is a step, too.
    Route route(const Address& recipient, bool in_full = false);
    /// The address that canonical= has for one that a client of this host wrote; the same if it has none.
    /// Throws FormatError if the table cannot be used now.
    Address canonical(const Address& address);
    /// Why a route that was accepted cannot be delivered to now, for a client that still has the message.
    /// Asked of routes with a single destination only: the others deliver or wait on their own. Does not
    /// throw.
    std::optional<Unavailable> why_unavailable(const Route& route);
    /// The address is in a domain of ours, virtual ones too; or it has no domain. Throws FormatError if
    /// that depends on a domains.cf(5) that cannot be read now.
    bool serves(const Address& address);
    /// As Route::is_for_all. Throws FormatError if a table cannot be read now.
    bool is_for_all(const Address& address);

  private:
    class Expansion;

    Address canonical_recipient(Route& route, const Address& recipient);
    bool is_on_host(const Address& address) const;
    bool is_of_srs(const Address& recipient) const;
    Route route_srs(const Address& recipient);
    bool is_ours(const Address& address) const;
    void route_elsewhere(Route& route, const Address& recipient, bool in_full);
    const VirtualDomain* virtual_domain_of(const Address& address) const;
    std::optional<Account> account_for(const Destination& destination);

    const Config& config_;
    AliasTable& aliases_;
    UserDirectory& users_;
    UserFiles& files_;
    DomainTable domains_;
    NextHops next_hops_;
    AddressMap canonical_;
    MxPool pool_;
    std::vector<IpAddress> own_addresses_;
};

}  // namespace postoffice
