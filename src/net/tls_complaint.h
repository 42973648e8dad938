// What OpenSSL says of a call that failed.
#pragma once

#include <string>

namespace postoffice {

/// The first thing OpenSSL complained of, in words; forgets the rest.
std::string last_tls_complaint();

}  // namespace postoffice
