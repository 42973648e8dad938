// mxpool=: domains of this host that have several mail hosts in DNS, this one among them, and want one of
// them to keep all their mail. Mail goes to hosts of a better preference (RFC 5321 section 5.1) if there are
// any.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/config/config.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

class MxPool {
  public:
    /// Keeps the reference. Asks nothing yet.
    explicit MxPool(const Config& config) : config_(config), name_servers_(config.network.nameservers) {}

    enum class Place { here, better_host, unknown };
    /// Where mail for a domain of this host is kept: at a better mail host, if DNS lists this host for the
    /// domain and others before it. Unknown: DNS does not answer. Always here unless mxpool is set. Answers
    /// are kept for a minute. Throws std::system_error.
    Place place_of(const std::string& domain);

  private:
    struct Known {
        Place place;
        UnixTime until;
    };
    Place ask(const std::string& domain);

    const Config& config_;
    ResolverSource name_servers_;
    std::optional<Resolver> resolver_;
    std::map<std::string, Known> known_;
};

}  // namespace postoffice
