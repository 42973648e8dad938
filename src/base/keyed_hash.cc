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

struct State {
    std::uint64_t a, b, c, d;

    void mix(int rounds) {
        while (rounds-- > 0) {
            a += b;
            c += d;
            b = std::rotl(b, 13) ^ a;
            d = std::rotl(d, 16) ^ c;
            a = std::rotl(a, 32);
            c += b;
            a += d;
            b = std::rotl(b, 17) ^ c;
            d = std::rotl(d, 21) ^ a;
            c = std::rotl(c, 32);
        }
    }
    void take(std::uint64_t word) {
        d ^= word;
        mix(2);
        a ^= word;
    }
    std::uint64_t folded() const { return a ^ b ^ c ^ d; }
};

}  // namespace

// "somepseudorandomlygeneratedbytes", as the algorithm has it.
KeyedHash::KeyedHash(const HashKey& key, Width width)
    : width_(width),
      a_(key[0] ^ 0x736f6d6570736575),
      b_(key[1] ^ 0x646f72616e646f6d ^ (width == Width::bits_128 ? 0xee : 0)),
      c_(key[0] ^ 0x6c7967656e657261),
      d_(key[1] ^ 0x7465646279746573) {}

void KeyedHash::take(const char* words, std::size_t count) {
    State state{a_, b_, c_, d_};  // in registers
    for (; count > 0; --count, words += word_size) state.take(little_endian(words));
    a_ = state.a;
    b_ = state.b;
    c_ = state.c;
    d_ = state.d;
}

void KeyedHash::append(std::string_view piece) {
    const std::size_t held = length_ % word_size;
    length_ += piece.size();
    if (held != 0) {
        const std::size_t more = std::min(word_size - held, piece.size());
        std::copy_n(piece.data(), more, rest_.data() + held);
        piece.remove_prefix(more);
        if (held + more < word_size) return;
        take(rest_.data(), 1);
    }
    take(piece.data(), piece.size() / word_size);
    piece.remove_prefix(piece.size() / word_size * word_size);
    std::copy_n(piece.data(), piece.size(), rest_.data());
}

Hash128 KeyedHash::values() const {
    State end{a_, b_, c_, d_};
    std::array<char, word_size> last{};
    std::copy_n(rest_.data(), length_ % word_size, last.data());
    end.take(length_ << 56 | little_endian(last.data()));
    end.c ^= width_ == Width::bits_128 ? 0xee : 0xff;
    end.mix(4);
    const std::uint64_t first = end.folded();
    if (width_ == Width::bits_64) return {first, 0};
    end.b ^= 0xdd;
    end.mix(4);
    return {first, end.folded()};
}

std::uint64_t keyed_hash(const HashKey& key, std::string_view text) {
    KeyedHash hash(key);
    hash.append(text);
    return hash.value();
}

}  // namespace postoffice
