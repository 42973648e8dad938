// A router over this host's aliases and accounts, for commands that only ask it.
#pragma once

#include "postoffice/config/config.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {

class LocalRouter {
  public:
    /// `own_addresses`: see Router.
    explicit LocalRouter(const Config& config, std::vector<IpAddress> own_addresses = {})
        : aliases_(config.routing.aliases),
          users_(config.identity.only_user),
          files_(config),
          router_(config, aliases_, users_, files_, std::move(own_addresses)) {}
    LocalRouter(const LocalRouter&) = delete;
    LocalRouter& operator=(const LocalRouter&) = delete;

    Router& router() { return router_; }
    UserDirectory& users() { return users_; }

  private:
    AliasTable aliases_;
    UserDirectory users_;
    DirectUserFiles files_;
    Router router_;
};

}  // namespace postoffice
