// Asking whether somebody is who he says he is. A session cannot look at passwords: it asks the
// authenticator, a process of root's (daemon/authenticator.h), which says yes, no, or not now, and nothing
// else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/packet.h"

namespace postoffice {

/// To the authenticator, into its letterbox; one descriptor with it: the end of a fresh
/// packet socketpair on which the AuthAnswer comes.
struct AuthRequest {
    static constexpr std::uint32_t expected_magic = 0x504f4155;
    std::uint32_t magic = expected_magic;
    FixedString<256> user;
    FixedString<512> password;
    FixedString<64> client;  ///< address, for the log and for PAM's rules about hosts
};

enum class AuthOutcome : std::uint8_t {
    yes,
    no,
    not_now,  ///< the password could not be checked; says nothing about it
};

struct AuthAnswer {
    static constexpr std::uint32_t expected_magic = 0x504f4141;
    std::uint32_t magic = expected_magic;
    AuthOutcome outcome = AuthOutcome::not_now;
    FixedString<256> user;  ///< yes: the canonical name, "alice" or "bob@virtual.example"
};

struct AuthVerdict {
    AuthOutcome outcome = AuthOutcome::not_now;
    std::string user;
};

/// Waits for the answer, at most until `deadline`. `requests`: the slot of the letterbox. Does not throw;
/// what does not fit the request is a no.
AuthVerdict ask_authenticator(int requests, std::string_view user, std::string_view password,
                              std::string_view client, const Deadline& deadline);

/// Overwrites a secret before its memory goes to somebody else.
void wipe(std::string& secret);

}  // namespace postoffice
