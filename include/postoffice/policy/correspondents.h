// Whom our users wrote to, and under which addresses, as far as the greylist wants to know: an answer need
// not wait, nor a bounce to somebody who really sent mail. Remembered beside its other entries, as
// "to:them@far.example" and "from:us@host.example", where the time seen last says when that was.
#pragma once

#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/policy/greylist_store.h"

namespace postoffice {

/// Remembers an accepted message, as far as it goes to other hosts. `is_from_us`: a local user, a trusted
/// host or somebody who has logged in sent it; of a stranger's message only the owners of lists are noted, to
/// whom its bounces come. Mail from <> is nobody's letter: programs answer with it to whoever writes. Does
/// nothing without `greylist`. What goes wrong is said in the log and keeps no mail up.
void note_correspondence(const Config& config, const Envelope& envelope, bool is_from_us, UnixTime now);

/// One of us wrote to this address, not longer ago than `greylist-written`. Throws as GreylistStore does, as
/// the next.
bool was_written_to(const Config& config, const GreylistStore& store, const Address& address, UnixTime now);

/// Mail went out from each of these (as Address::to_string() has them), not longer ago than
/// `greylist-bounces`; false for nobody.
bool have_all_written(const Config& config, const GreylistStore& store,
                      const std::vector<std::string>& addresses, UnixTime now);

}  // namespace postoffice
