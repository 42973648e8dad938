// The checks of a client: where the verbs ask the policies about it, in this order. On connecting
// hosts.deny; in HELO and EHLO `checkhelo`; in MAIL `paranoid`, `dnscheck`, the DNS lists and `verify-from`;
// for DATA `nodaemon`. For trusted clients and those that have logged in only hosts.deny counts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dialogue.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"
#include "postoffice/policy/unwanted_mail.h"

namespace postoffice {

/// A greeting that refuses the client: with 554 it may stay to say QUIT, with any other code it may not. A
/// denied client that `forbidden` lets in, or that may log in on a port for users, is remembered in the
/// state. Logs what it refuses.
std::optional<Reply> check_client(Dialogue& dialogue);

/// A refusal ends in the phase in which only QUIT is answered kindly.
std::optional<Reply> check_introduction(Dialogue& dialogue, std::string_view name);

/// In MAIL. Asks DNS; what concerns the client alone is asked once for a session.
std::optional<Reply> check_stranger(Dialogue& dialogue, const Address& sender);

std::optional<Reply> check_before_data(Dialogue& dialogue);

/// A line for each verdict against a message that is accepted all the same: that of hosts.deny, and any
/// other.
void log_unwanted(const Dialogue& dialogue, const std::string& id, const Envelope& envelope);

/// Known-bad mail of a stranger: what the greylist has come to think of the sender counts no more.
void forget_credit(Dialogue& dialogue, const Address& sender);

/// What hosts.deny, a DNS list or a policy service has said against a message that goes on all the same.
Unwanted unwanted_mail(const Dialogue& dialogue);

}  // namespace postoffice
