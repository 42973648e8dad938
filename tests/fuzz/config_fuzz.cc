// Fuzz target: any text as a configuration file, of root and of an ordinary user. What is accepted must make
// sense.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "postoffice/config/options.h"

using namespace postoffice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const bool root : {false, true}) {
        LoadedConfig loaded;
        apply_config_text(loaded, {"fuzz.cf", true, {}, root}, text);
        // The host name is left to the resolver otherwise, and a fuzzer asks a million times.
        if (loaded.config.identity.hostname.empty()) loaded.config.identity.hostname = "fuzz.example";
        complete_config(loaded);
        const auto& config = loaded.config;
        if (config.network.listen.empty() || config.queue.retry.empty() || config.limits.clients == 0 ||
            config.remote.agents == 0)
            std::abort();
        if (!root && (!config.remote.relay_hosts.empty() || config.remote.forward_all ||
                      !config.access.trusted.empty()))
            std::abort();
        if (!config.queue.dir.starts_with('/') || !config.queue.control.starts_with('/')) std::abort();
    }
    return 0;
}
