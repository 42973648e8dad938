// A policy of MTA-STS and the record that announces it come from strangers: whatever they are, what was
// parsed keeps its bounds.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "postoffice/outbound/sts_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (const auto policy = parse_sts_policy(text)) {
        if (policy->max_age > Seconds(31'557'600) || policy->hosts.size() > size) std::abort();
        if (policy->mode != StsPolicy::Mode::none && policy->hosts.empty()) std::abort();
    }
    if (sts_policy_id({text}).size() > 32) std::abort();
    return 0;
}
