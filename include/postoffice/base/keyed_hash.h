// SipHash-2-4 (Aumasson, Bernstein 2012): a hash that cannot be aimed without the key. For tables with keys
// that strangers choose.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace postoffice {

using HashKey = std::array<std::uint64_t, 2>;

std::uint64_t keyed_hash(const HashKey& key, std::string_view text);

}  // namespace postoffice
