// The addresses that users of this host wrote to, and from, as far as the greylist needs them: an answer need
// not wait, nor a bounce of mail that was sent from here. Remembered beside its other entries, as
// "to:them@far.example" and "from:us@host.example", where the time seen last says when that was.
#pragma once

#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/policy/greylist_store.h"

namespace postoffice {

/// Remembers an accepted message, as far as it goes to other hosts. `is_from_us`: its client is a local user,
/// a trusted host or a client that has logged in. Of a message from any other client only the owners of lists
/// are noted, since its bounces come to them. Mail from <> is not noted: programs answer with it to every
/// sender. Does nothing without `greylist`. What goes wrong is logged and holds up no mail.
void note_correspondence(const GreylistConfig& config, const Envelope& envelope, bool is_from_us,
                         UnixTime now);

/// Mail from here went to this address, not longer ago than `greylist-written`. Throws as GreylistStore does,
/// as the next.
bool was_written_to(const GreylistConfig& config, const GreylistStore& store, const Address& address,
                    UnixTime now);

/// Mail went out from each of these (as Address::to_string() has them), not longer ago than
/// `greylist-bounces`; false for an empty list.
bool have_all_written(const GreylistConfig& config, const GreylistStore& store,
                      const std::vector<std::string>& addresses, UnixTime now);

}  // namespace postoffice
