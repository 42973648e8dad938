// SipHash-2-4 (Aumasson, Bernstein 2012): a hash that cannot be aimed without the key. For tables with keys
// that strangers choose.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postoffice {

using HashKey = std::array<std::uint64_t, 2>;

/// The first 64 bits first.
using Hash128 = std::array<std::uint64_t, 2>;

std::uint64_t keyed_hash(const HashKey& key, std::string_view text);

/// The same of a text that comes in pieces; how it is divided makes no difference.
class KeyedHash {
  public:
    enum class Width { bits_64, bits_128 };
    explicit KeyedHash(const HashKey& key, Width width = Width::bits_64);
    void append(std::string_view piece);
    /// Of all pieces so far.
    std::uint64_t value() const { return values()[0]; }
    /// The same for Width::bits_128.
    Hash128 values() const;

  private:
    void take(const char* words, std::size_t count);

    Width width_;
    std::uint64_t a_, b_, c_, d_;
    std::uint64_t length_ = 0;
    std::array<char, 8> rest_{};  // the octets after the last whole word: length_ % 8 of them
};

}  // namespace postoffice
