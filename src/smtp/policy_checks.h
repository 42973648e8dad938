// Where a session asks the services of `policy-service=`, and what it does as they say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dialogue.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/reply.h"
#include "postoffice/policy/policy_service.h"

namespace postoffice {

enum class PolicyStage { rcpt, data, end_of_message };

/// What a question is about, besides the session and its transaction.
struct PolicySubject {
    Address recipient{};     ///< of RCPT; null: the only one of the transaction, if it has one
    std::uint64_t size = 0;  ///< octets of the message; 0: those that the client has announced
};

/// A service is asked about each recipient of this client.
bool has_policy_for_recipients(Dialogue& dialogue);

/// Asks the services for this stage, in order; nullopt: none refuses. Notes in the transaction the fields
/// that the message gets and whether it is discarded. Logs what they say and whether they failed. 421 and 521
/// end the session.
std::optional<Reply> ask_policies(Dialogue& dialogue, PolicyStage stage, const PolicySubject& subject = {});

/// The attributes that Postfix sends at this stage, in its order. Those of client certificates are empty,
/// since none is asked for, and so is client_port behind a front end.
PolicyAttributes policy_attributes(Dialogue& dialogue, PolicyStage stage, const PolicySubject& subject,
                                   const PolicyService& service);

}  // namespace postoffice
