// What a client sends for AUTH: base 64 that decodes encodes again to the same, PLAIN has a user and a
// password, and the parts of a SCRAM message are all of it.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/base/base64.h"
#include "postoffice/policy/sasl.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto decoded = decode_base64(text); decoded && base64(*decoded) != text) std::abort();
    if (decode_base64(base64(text)) != text) std::abort();
    if (const auto credentials = parse_plain(text);
        credentials && (credentials->user.empty() || credentials->password.empty()))
        std::abort();
    if (const auto first = parse_scram_first(text);
        first && (first->header + first->bare != text || first->user.empty() || first->nonce.empty()))
        std::abort();
    if (const auto final = parse_scram_final(text);
        final && (!text.starts_with(final->without_proof + ",p=") || final->nonce.empty()))
        std::abort();
    return 0;
}
