// The messages of SASL mechanisms as a client sends them, decoded from base 64: PLAIN (RFC 4616) and SCRAM
// (RFC 5802 section 7).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/policy/scram.h"

namespace postoffice {

struct Credentials {
    std::string user;
    std::string password;
    std::string acts_as = {};  ///< the authorisation identity; empty: `user`
};

/// nullopt if it is malformed, or if the name or the password is missing.
std::optional<Credentials> parse_plain(std::string_view message);

/// client-first-message.
struct ScramFirst {
    std::string header;  ///< gs2-header, which client-final-message repeats
    char binding = 'n';  ///< 'n': none; 'y': it could, and thinks that we cannot; 'p': `binding_name`
    std::string binding_name;
    std::string bare;  ///< all that follows the header
    std::string user;
    std::string nonce;
};

/// nullopt as for parse_plain(), and for an extension that we would have to know ("m=").
std::optional<ScramFirst> parse_scram_first(std::string_view message);

/// client-final-message.
struct ScramFinal {
    std::string without_proof;  ///< all but the proof
    std::string binding;        ///< gs2-header and the data of the channel binding
    std::string nonce;
    ScramDigest proof{};
};

std::optional<ScramFinal> parse_scram_final(std::string_view message);

}  // namespace postoffice
