#include "postoffice/smtp/audit.h"

#include <fmt/format.h>

#include "postoffice/base/clock.h"
#include "postoffice/base/log.h"
#include "postoffice/smtp/command.h"
#include "verb.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_info = 400;

// What follows the mechanism is a secret, and so may be what stands in its place.
std::string mechanism_in(std::string_view argument) {
    for (const std::string_view known : {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL"})
        if (equals_ignoring_case(argument.substr(0, argument.find(' ')), known)) return std::string(known);
    return "";
}

}  // namespace

void write_audit_record(std::string_view address, std::string_view command, int code, std::string_view info) {
    const bool is_v6 = address.find(':') != std::string_view::npos;
    const std::string client = address.empty() ? "stdin"
                               : is_v6         ? fmt::format("[{}]", address)
                                               : std::string(address);
    log_audit(fmt::format("AUDIT:{}:{}:{}:{}:{}", now_unix(), client, command, code,
                          printable(info.substr(0, longest_info))));
}

AuditedCommand AuditedCommand::of(std::string_view line) {
    const auto command = parse_command(line);
    if (!command) return {"?", ""};
    const Verb* verb = find_verb(command->verb);
    if (verb == nullptr) return {"?", ""};
    const bool is_auth = verb->name == "AUTH";
    return {std::string(verb->name),
            is_auth ? mechanism_in(command->argument) : std::string(command->argument)};
}

}  // namespace postoffice
