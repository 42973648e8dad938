// A small file from a web server, by HTTPS, with libcurl: for policies that domains publish there. For
// processes of their own, which hold nothing that a web server could ask for.
//
// A build without libcurl has the same interface; https_is_built_in() is then false.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/result.h"

namespace postoffice {

bool https_is_built_in();

struct HttpsGet {
    std::string host;                  ///< name of the server, to which its certificate must belong
    std::string path;                  ///< begins with "/"
    std::vector<IpAddress> addresses;  ///< of the server, tried in order; not empty
    std::string authorities;           ///< PEM file of trusted certificates; empty: those of the host
    std::size_t most = 0;              ///< octets of the file
    Seconds patience{};                ///< for all of it
};

/// The file; or why there is none. Redirections are not followed, and only the answer 200 counts; a file that
/// is larger is none. No proxy of the environment is used. Does not throw.
Result<std::string> https_get(const HttpsGet& get);

}  // namespace postoffice
