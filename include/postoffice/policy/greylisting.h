// What becomes of a message by the greylist: the decision of greylist.h, made with what greylist_store.h
// remembers, for all that count as one.
#pragma once

#include <functional>

#include "postoffice/policy/greylist.h"

namespace postoffice {

/// Whether the domain of the sender vouches for the client. Asked at most once, and only if the client would
/// have to wait without it, since it asks DNS.
using Voucher = std::function<bool()>;

/// What the greylist says of a message, and remembers of it. In this order: the sender, or the sender at this
/// network, is blacklisted; the sender itself is known, or its network, one host of which has shown that it
/// tries again; it was written to from here, or it is a bounce to a sender from here; the domain vouches
/// for the client, and the same is asked for all hosts that it vouches for. Throws as GreylistStore does.
GreylistVerdict consult_greylist(const GreylistConfig& config, const GreylistFacts& facts, UnixTime now,
                                 const Voucher& domain_vouches = {});

/// The same, and nothing is remembered.
GreylistVerdict preview_greylist(const GreylistConfig& config, const GreylistFacts& facts, UnixTime now,
                                 const Voucher& domain_vouches = {});

/// The sender has sent what is known to be bad: it has to wait again as if it was never seen, and so have its
/// neighbours. What is blacklisted stays so. With greylist-from only the network loses its credit: any host
/// can use the sender's name. Throws as GreylistStore does.
void forget_greylist_credit(const GreylistConfig& config, const GreylistFacts& facts);

}  // namespace postoffice
