// The router: from an address to where its mail goes, or why it goes nowhere. The same code answers at RCPT,
// on delivery, in -bv and in the trace.
#pragma once

#include <string>
#include <vector>

#include "postoffice/base/result.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"

namespace postoffice {

/// Where one recipient leads.
struct Route {
    enum class Status {
        accepted,
        unknown,    ///< permanent: no such user; alias loop; broken expansion
        temporary,  ///< a database or file could not be read
    } status = Status::accepted;
    Reply refusal;  ///< set unless accepted
    struct Hop {
        Target target;
        Address sender;  ///< replaces the envelope sender if `new_sender` (lists: owner-NAME)
        bool new_sender = false;
    };
    std::vector<Hop> hops;           ///< at least one if accepted; each destination once
    std::vector<std::string> steps;  ///< for people: "alias root -> bob (/etc/aliases)"
    bool is_local = false;           ///< the address itself is in a domain of ours
};

class AliasTable;
class UserDirectory;

class Router {
  public:
    /// Keeps references; all must outlive the router.
    Router(const Config& config, AliasTable& aliases, UserDirectory& users);
    /// `recipient` is qualified, or "postmaster".
    Route route(const Address& recipient);

  private:
    struct Expansion;
    void expand(const Address& address, Expansion& expansion);
    void expand_alias(const std::string& name, const std::string& value, Expansion& expansion);

    const Config& config_;
    AliasTable& aliases_;
    UserDirectory& users_;
};

}  // namespace postoffice
