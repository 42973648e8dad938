// What filters want changed of an envelope, done: added recipients are routed as those of a client are.
#pragma once

#include <string>

#include "postoffice/mail/envelope_changes.h"
#include "postoffice/routing/router.h"

namespace postoffice {

/// Changes the envelope of message `id`; `hostname` is the domain of names without one. A recipient that is
/// there already is not added again; one that cannot be looked up now is queued as it stands; one that does
/// not exist is left out, and the log says so. All recipients may be gone afterwards.
void apply_changes(Envelope& envelope, const EnvelopeChanges& changes, Router& router,
                   const std::string& hostname, const std::string& id);

}  // namespace postoffice
