// HELO and EHLO. RFC 5321 sections 3.2, 4.1.1.1, 4.1.4.
#include <fmt/format.h>

#include <algorithm>

#include "client_checks.h"
#include "extensions.h"
#include "verb.h"

namespace postoffice {
namespace {

// A name is taken as it is, however wrong (RFC 5321 section 4.1.4: mail is not refused for it), as long as it
// is one word that can be shown in a Received field.
bool is_presentable(std::string_view name) {
    constexpr std::string_view specials = "()<>;\"\\";
    return std::all_of(name.begin(), name.end(), [&](char c) {
        return c > ' ' && c < 0x7f && specials.find(c) == std::string_view::npos;
    });
}

// A refusal, or nothing if the client is now known by the name it gave.
std::optional<Reply> introduce(Dialogue& dialogue, const Command& command, bool extended) {
    const bool is_accepted = is_presentable(command.argument) && dialogue.state.helo.assign(command.argument);
    if (!is_accepted) return syntax_error(extended ? "EHLO" : "HELO");
    if (auto refusal = check_introduction(dialogue, command.argument)) return refusal;
    dialogue.state.extended = extended;
    dialogue.abandon_transaction();
    return std::nullopt;
}

std::string welcome(const Dialogue& dialogue) {
    if (dialogue.is_standard_input()) return fmt::format("{} Hello", dialogue.config().identity.hostname);
    return fmt::format("{} Hello {}", dialogue.config().identity.hostname, dialogue.client());
}

}  // namespace

Reply perform_helo(Dialogue& dialogue, const Command& command) {
    if (auto refusal = introduce(dialogue, command, false)) return *refusal;
    return {250, "", welcome(dialogue), false};
}

Reply perform_ehlo(Dialogue& dialogue, const Command& command) {
    if (auto refusal = introduce(dialogue, command, true)) return *refusal;
    return {250, "", welcome(dialogue) + offered_extensions(dialogue), false};
}

}  // namespace postoffice
