// What a client sends for AUTH: base 64 that decodes encodes again to the same, and PLAIN has a user and a
// password.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../../src/smtp/sasl.h"
#include "postoffice/base/base64.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto decoded = decode_base64(text); decoded && base64(*decoded) != text) std::abort();
    if (decode_base64(base64(text)) != text) std::abort();
    if (const auto credentials = parse_plain(text);
        credentials && (credentials->user.empty() || credentials->password.empty()))
        std::abort();
    return 0;
}
