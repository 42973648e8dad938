// A child of the authenticator: answers questions, one after the other. A process that has asked PAM ends,
// since its modules may leave anything behind.
#pragma once

#include "auth_question.h"
#include "postoffice/base/worker.h"

namespace postoffice {

/// To the worker, with the channel that came with a question. The question, an AuthRequest, follows once the
/// authenticator has closed its copy of that channel: the last one is the worker's to close
/// (base/foreign_descriptors.h).
struct AuthChannelHandover {
    static constexpr std::uint32_t own_tag = 0x504f4157;
    std::uint32_t tag = own_tag;
};

/// From the worker, which has closed the channel.
struct AuthDone {
    static constexpr std::uint32_t own_tag = 0x504f4144;
    std::uint32_t tag = own_tag;
    AuthOutcome outcome = AuthOutcome::temporary;
};

/// `patience`: with the session of a SCRAM exchange. Throws std::system_error.
Worker start_auth_worker(const Config& config, const AuthenticatorKeys& keys, Seconds patience);

/// Gives an idle worker a question, and closes `channel`. Never waits. False if the worker has ended: then
/// `channel` is unchanged if the worker did not get it, else empty, and closed with the worker.
bool give_question(const Worker& worker, const AuthRequest& request, Fd& channel);

}  // namespace postoffice
