// Whatever octets a name server sends: decode_message() refuses them or gives a message whose names are short
// and printable.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/net/dns_message.h"

namespace {

void check_name(std::string_view name) {
    constexpr std::size_t longest = 4 * 255;  // each octet as \DDD
    const bool is_printable =
        std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (name.size() > longest || !is_printable) std::abort();
}

void check_question(const postoffice::DnsQuestion& question) {
    check_name(question.name);
    // A name that can be asked comes back as it was.
    const auto query = postoffice::encode_query(1, question, true);
    if (!query) return;
    const auto again = postoffice::decode_message(*query);
    if (!again || again->question != question) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto message = postoffice::decode_message({reinterpret_cast<const char*>(data), size});
    if (!message) return 0;
    if (message->question) check_question(*message->question);
    for (const auto& record : message->answers) {
        check_name(record.owner);
        check_question({record.target, record.type});
    }
    return 0;
}
