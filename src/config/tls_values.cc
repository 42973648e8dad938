// Levels of TLS to other hosts.
#include <fmt/format.h>

#include <array>

#include "postoffice/base/text.h"
#include "postoffice/config/values.h"

namespace postoffice {

std::string_view to_string(TlsLevel level) {
    static constexpr std::array names{"none", "may", "encrypt", "verify", "fingerprint", "dane", "dane-only"};
    return names.at(static_cast<std::size_t>(level));
}

Result<TlsLevel> parse_tls_level(std::string_view text) {
    using enum TlsLevel;
    for (const TlsLevel level : {none, may, encrypt, verify, fingerprint, dane, dane_only})
        if (equals_ignoring_case(text, to_string(level))) return level;
    return Problem{
        fmt::format("\"{}\" is no level of TLS: none, may, encrypt, verify, fingerprint, dane, "
                    "dane-only",
                    printable(text))};
}

Result<TlsLevel> parse_remote_tls(std::string_view text) {
    auto level = parse_tls_level(text);
    if (level && *level == TlsLevel::fingerprint)
        return Problem{"fingerprints belong to one destination: they are given in remote-tls-policy"};
    return level;
}

Result<DnssecTrust> parse_dnssec(std::string_view text) {
    if (equals_ignoring_case(text, "auto")) return DnssecTrust::loopback;
    if (equals_ignoring_case(text, "trust")) return DnssecTrust::all;
    if (equals_ignoring_case(text, "none")) return DnssecTrust::none;
    return Problem{fmt::format("\"{}\" is none of auto, trust and none", printable(text))};
}

}  // namespace postoffice
