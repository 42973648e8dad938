#include "postoffice/policy/audit.h"

#include <fmt/format.h>

#include "postoffice/base/clock.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_info = 400;

}  // namespace

bool is_audited(const Config& config, const SharedFlag* by_signal) {
    return by_signal != nullptr ? by_signal->is_set() : config.smtp.audit;
}

void write_audit_record(std::string_view address, std::string_view command, std::string_view code,
                        std::string_view info) {
    const bool is_v6 = address.find(':') != std::string_view::npos;
    const std::string client = address.empty() ? "stdin"
                               : is_v6         ? fmt::format("[{}]", address)
                                               : std::string(address);
    log_audit(fmt::format("AUDIT:{}:{}:{}:{}:{}", now_unix(), client, command, code,
                          printable(info.substr(0, longest_info))));
}

// What follows the mechanism is a secret, and so may be what stands in its place.
std::string audited_mechanism(std::string_view argument) {
    for (const std::string_view known : {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL"})
        if (equals_ignoring_case(argument.substr(0, argument.find(' ')), known)) return std::string(known);
    return "";
}

}  // namespace postoffice
