// A spool of its own with a router and a bouncer, for tests of what becomes of messages that are queued.
#pragma once

#include <gtest/gtest.h>

#include "postoffice/delivery/bounce.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"
#include "spool_folder.h"

namespace postoffice {

class BouncerFixture : public ::testing::Test {
  protected:
    test::TemporaryFolder folder_;
    Config config_;
    Spool spool_{folder_.path()};
    AliasTable aliases_{""};
    UserDirectory users_;
    DirectUserFiles files_{config_};
    Router router_{config_, aliases_, users_, files_};
    Bouncer bouncer_{config_, spool_, router_};
};

}  // namespace postoffice
