// The record that asks for reports about TLS comes from strangers: whatever it is, the addresses are few, and
// can be written.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "postoffice/outbound/tls_report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto addresses = tls_report_addresses({text});
    if (addresses.size() > 5) std::abort();
    for (const Address& address : addresses) {
        if (!address.is_qualified()) std::abort();
        const auto again = parse_addr_spec(address.to_string());
        if (!again || *again != address) std::abort();
    }
    return 0;
}
