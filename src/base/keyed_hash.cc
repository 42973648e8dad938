#include "postoffice/base/keyed_hash.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace postoffice {
namespace {

constexpr std::size_t word_size = sizeof(std::uint64_t);

std::uint64_t little_endian(const char* octets) {
    std::uint64_t word = 0;
    std::memcpy(&word, octets, word_size);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    return word;
}

}  // namespace

// "somepseudorandomlygeneratedbytes", as the algorithm has it.
KeyedHash::KeyedHash(const HashKey& key)
    : a_(key[0] ^ 0x736f6d6570736575),
      b_(key[1] ^ 0x646f72616e646f6d),
      c_(key[0] ^ 0x6c7967656e657261),
      d_(key[1] ^ 0x7465646279746573) {}

void KeyedHash::mix(int rounds) {
    while (rounds-- > 0) {
        a_ += b_;
        c_ += d_;
        b_ = std::rotl(b_, 13) ^ a_;
        d_ = std::rotl(d_, 16) ^ c_;
        a_ = std::rotl(a_, 32);
        c_ += b_;
        a_ += d_;
        b_ = std::rotl(b_, 17) ^ c_;
        d_ = std::rotl(d_, 21) ^ a_;
        c_ = std::rotl(c_, 32);
    }
}

void KeyedHash::take(std::uint64_t word) {
    d_ ^= word;
    mix(2);
    a_ ^= word;
}

void KeyedHash::append(std::string_view piece) {
    const std::size_t held = length_ % word_size;
    length_ += piece.size();
    if (held != 0) {
        const std::size_t more = std::min(word_size - held, piece.size());
        std::copy_n(piece.data(), more, rest_.data() + held);
        piece.remove_prefix(more);
        if (held + more < word_size) return;
        take(little_endian(rest_.data()));
    }
    for (; piece.size() >= word_size; piece.remove_prefix(word_size)) take(little_endian(piece.data()));
    std::copy_n(piece.data(), piece.size(), rest_.data());
}

std::uint64_t KeyedHash::value() const {
    KeyedHash end = *this;
    std::array<char, word_size> last{};
    std::copy_n(rest_.data(), length_ % word_size, last.data());
    end.take(length_ << 56 | little_endian(last.data()));
    end.c_ ^= 0xff;
    end.mix(4);
    return end.a_ ^ end.b_ ^ end.c_ ^ end.d_;
}

std::uint64_t keyed_hash(const HashKey& key, std::string_view text) {
    KeyedHash hash(key);
    hash.append(text);
    return hash.value();
}

}  // namespace postoffice
