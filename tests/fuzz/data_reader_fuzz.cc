// The end-of-data machine: cut in two anywhere (the first octet says where), it decodes the same; it ends
// exactly at the first CRLF.CRLF; no CR is ever stored.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../../src/smtp/data_reader.h"

namespace {

struct Decoded {
    std::string text;
    std::size_t used = 0;
    bool at_end = false;
};

Decoded decode(std::string_view wire, std::size_t cut) {
    postoffice::DataDecoder decoder;
    Decoded result;
    result.used = decoder.decode(wire.substr(0, cut), result.text);
    if (!decoder.at_end()) result.used += decoder.decode(wire.substr(cut), result.text);
    result.at_end = decoder.at_end();
    return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Decoded whole = decode(wire, wire.size());
    const Decoded halves = decode(wire, data[0] % (wire.size() + 1));
    if (whole.text != halves.text || whole.used != halves.used || whole.at_end != halves.at_end) std::abort();

    const auto end = ("\r\n" + std::string(wire)).find("\r\n.\r\n");
    if (whole.at_end != (end != std::string::npos)) std::abort();
    if (whole.at_end && whole.used != end + 3) std::abort();
    if (whole.text.find('\r') != std::string::npos) std::abort();
    return 0;
}
