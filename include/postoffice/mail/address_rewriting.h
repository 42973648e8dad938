// Addresses in header fields are replaced where they stand; names, comments and folding stay.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "postoffice/mail/address.h"

namespace postoffice {

/// The address that stands for a qualified one; the same if it stays.
using AddressRewriter = std::function<Address(const Address&)>;

/// From, Sender, Reply-To, To and Cc, and those of resendings (RFC 5322 sections 3.6.2, 3.6.3 and 3.6.6).
bool is_address_field(std::string_view name);

/// The fields of `header` with rewritten addresses in those of is_address_field(); nullopt if none changes.
/// `header` may be a whole message, of which the result is the header. Throws what `rewritten` throws.
std::optional<std::string> rewrite_addresses(std::string_view header, const AddressRewriter& rewritten);

}  // namespace postoffice
