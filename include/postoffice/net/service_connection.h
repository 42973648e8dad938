// Connecting to a server of this host's administrator, such as a filter or a policy daemon.
#pragma once

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/value_types.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

/// A socket that does not block; of several addresses of a name, that of the first that answers. Throws
/// PeerGone for a name that leads nowhere, else as connect_to() of net/connect.h.
Fd connect_to(const SocketPlace& place, const Resolver& resolver, Deadline deadline);

}  // namespace postoffice
