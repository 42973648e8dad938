// What the sources of TLS share of OpenSSL.
#pragma once

#include <string>

#include "postoffice/net/tls_client.h"

struct ssl_st;

namespace postoffice {

/// The first thing OpenSSL complained of, in words; forgets the rest.
std::string last_tls_complaint();

/// False for a record that OpenSSL cannot use. `stream`: after SSL_dane_enable().
bool add_tlsa(ssl_st* stream, const TlsaRecord& record);

}  // namespace postoffice
