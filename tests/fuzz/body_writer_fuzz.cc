// The encoder of outgoing messages: cut anywhere (the first octet says how) it says the same; a conforming
// receiver stores exactly the normalised message and finds nothing behind the final dot; no line end of
// another kind and no overlong line ever leaves.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../../src/smtp/client/body_writer.h"
#include "../support/body_model.h"

namespace {

std::string encoded(std::string_view message, std::size_t piece) {
    postoffice::BodyEncoder encoder;
    std::string out;
    while (!message.empty()) {
        encoder.encode(message.substr(0, piece), out);
        message.remove_prefix(std::min(piece, message.size()));
    }
    encoder.finish(out);
    return out;
}

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = 1 + data[0];
    const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string wire = encoded(message, message.size() + 1);
    require(encoded(message, piece) == wire);

    const auto received = postoffice::test::receive(wire);
    require(received.ended);
    require(received.rest.empty());
    require(!received.has_lone_cr_or_lf);
    require(received.longest_line <= postoffice::BodyEncoder::longest_line);
    require(received.stored == postoffice::test::normalised(message));
    return 0;
}
