#include "postoffice/base/keyed_hash.h"

#include <bit>
#include <cstddef>

namespace postoffice {
namespace {

struct Mixer {
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
};

std::uint64_t little_endian(std::string_view octets) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < octets.size(); ++i)
        word |= std::uint64_t{static_cast<unsigned char>(octets[i])} << (8 * i);
    return word;
}

}  // namespace

std::uint64_t keyed_hash(const HashKey& key, std::string_view text) {
    // "somepseudorandomlygeneratedbytes", as the algorithm has it.
    Mixer mixer{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                key[1] ^ 0x7465646279746573};
    const std::uint64_t length = text.size();
    for (; text.size() >= 8; text.remove_prefix(8)) mixer.take(little_endian(text.substr(0, 8)));
    mixer.take(length << 56 | little_endian(text));
    mixer.c ^= 0xff;
    mixer.mix(4);
    return mixer.a ^ mixer.b ^ mixer.c ^ mixer.d;
}

}  // namespace postoffice
