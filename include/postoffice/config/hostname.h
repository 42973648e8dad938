// The name of this host in mail: greeting, HELO, Received, Message-ID, and the domain of local users.
#pragma once

#include <string>

namespace postoffice {

/// The name that uname(2) has, in lower case, as it stands (`hostname=literal`). "localhost" if it is no
/// name.
std::string literal_host_name();

/// The same, completed by the resolver to a canonical name if it has no dot (`hostname=auto`). A host that
/// the resolver does not know, or knows only as localhost, keeps the literal name. A name with a dot costs no
/// lookup: sendmail(8) starts thousands of times a day.
std::string canonical_host_name();

}  // namespace postoffice
