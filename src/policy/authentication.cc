#include "postoffice/policy/authentication.h"

#include <string.h>

#include <cstring>

#include "postoffice/base/letterbox.h"
#include "postoffice/base/log.h"

namespace postoffice {

AuthVerdict ask_authenticator(int requests, std::string_view user, std::string_view password,
                              std::string_view client, const Deadline& deadline) {
    AuthRequest request;
    AuthVerdict verdict;
    if (user.empty() || password.empty() || !request.user.assign(user) ||
        !request.password.assign(password)) {
        verdict.outcome = AuthOutcome::no;
    } else {
        request.client.assign_cut(client);
        try {
            SocketPair channel = packet_socket_pair();
            const int descriptor = channel.theirs.get();
            post(requests, std::as_bytes(std::span(&request, 1)), std::span(&descriptor, 1), deadline);
            channel.theirs.reset();
            const auto answer = receive_struct<AuthAnswer>(channel.ours.get(), deadline);
            if (answer && answer->value.magic == AuthAnswer::expected_magic &&
                answer->value.outcome <= AuthOutcome::not_now)
                verdict = {answer->value.outcome, answer->value.user.str()};
        } catch (const std::exception& error) {
            log_event("", "authenticator", {{"error", error.what()}});
        }
    }
    ::explicit_bzero(static_cast<void*>(&request), sizeof request);
    if (verdict.outcome == AuthOutcome::yes && verdict.user.empty()) verdict.outcome = AuthOutcome::not_now;
    return verdict;
}

void wipe(std::string& secret) {
    ::explicit_bzero(secret.data(), secret.size());
    secret.clear();
}

}  // namespace postoffice
