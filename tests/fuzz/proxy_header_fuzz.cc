// Whatever a header says, nobody becomes local by it, and its length is what it says.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/net/proxy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto rest = proxy_header_rest(input.substr(0, proxy_header_start));
    const auto client = parse_proxy_header(input);
    if (client && (!rest || size != proxy_header_start + *rest)) std::abort();
    if (client && *client && ((*client)->is_loopback() || (*client)->is_unspecified())) std::abort();
    const bool is_local = size > 12 && (data[12] & 0xf) == 0;
    if (client && !*client && !is_local) std::abort();  // a client without an address is not the front end
    return 0;
}
