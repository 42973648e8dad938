// Stands in for scram.cc in a build without TLS, which has no library of its hashes: nothing is a verifier,
// so nothing is ever checked against one.
#include "postoffice/policy/scram.h"

namespace postoffice {

const bool has_scram = false;

std::optional<ScramVerifier> parse_scram_verifier(std::string_view) {
    return std::nullopt;
}

bool is_scram_password(std::string_view, const ScramVerifier&) {
    return false;
}

ScramVerifier decoy_verifier(const ScramDigest&, std::string_view, const std::optional<ScramVerifier>&) {
    return {};
}

std::optional<ScramDigest> check_scram_proof(const ScramVerifier&, std::string_view, const ScramDigest&) {
    return std::nullopt;
}

ScramProof make_scram_proof(std::string_view, std::string_view, unsigned, std::string_view) {
    return {};
}

ScramDigest scram_key(std::string_view, std::string_view) {
    return {};
}

}  // namespace postoffice
