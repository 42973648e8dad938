#include "postoffice/base/gzip.h"

#include <algorithm>
#include <cstdint>

namespace postoffice {
namespace {

/// RFC 1952 section 8.
std::uint32_t crc32(std::string_view octets) {
    constexpr std::uint32_t polynomial = 0xedb88320;
    std::uint32_t crc = 0xffffffff;
    for (const char c : octets) {
        crc ^= static_cast<std::uint8_t>(c);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
    }
    return ~crc;
}

/// Low octet first.
void append_number(std::string& text, std::uint32_t number, int octets) {
    for (int i = 0; i < octets; ++i) text += static_cast<char>(number >> (8 * i) & 0xff);
}

}  // namespace

std::string gzip_file(std::string_view contents) {
    constexpr std::size_t longest_block = 0xffff;
    constexpr std::string_view head("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);
    std::string file(head);
    std::string_view rest = contents;
    do {
        const std::string_view block = rest.substr(0, longest_block);
        rest.remove_prefix(block.size());
        const auto size = static_cast<std::uint32_t>(block.size());
        file += rest.empty() ? '\x01' : '\x00';  // the last one, stored
        append_number(file, size, 2);
        append_number(file, ~size, 2);
        file += block;
    } while (!rest.empty());
    append_number(file, crc32(contents), 4);
    append_number(file, static_cast<std::uint32_t>(contents.size()), 4);
    return file;
}

}  // namespace postoffice
