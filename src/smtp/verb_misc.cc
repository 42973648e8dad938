// RSET, NOOP, VRFY, EXPN, HELP, QUIT. RFC 5321 sections 4.1.1.5 to 4.1.1.10, 7.3 (VRFY tells nothing).
#include <fmt/format.h>

#include "parameters.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "verb.h"

namespace postoffice {
namespace {

bool is_offered(const Verb& verb, Dialogue& dialogue) {
    return verb.is_offered == nullptr || verb.is_offered(dialogue);
}

}  // namespace

Reply perform_rset(Dialogue& dialogue, const Command&) {
    dialogue.abandon_transaction();
    return {250, "2.0.0", "Forgotten"};
}

Reply perform_noop(Dialogue&, const Command&) {
    return {250, "2.0.0", "OK"};
}

// RFC 6531 section 3.7.4.2: an argument beyond ASCII has SMTPUTF8 behind it.
Reply perform_vrfy(Dialogue& dialogue, const Command& command) {
    const auto last_word = command.argument.substr(command.argument.find_last_of(" \t") + 1);
    const bool smtputf8 = offers_smtputf8(dialogue) && equals_ignoring_case(last_word, "SMTPUTF8");
    if (!is_utf8(command.argument)) return syntax_error("VRFY");
    if (!smtputf8 && !is_ascii(command.argument))
        return {553, "5.6.7", "A name beyond ASCII needs VRFY name SMTPUTF8"};
    return {252, "2.1.5", "Send some mail, and I will try my best"};
}

Reply perform_expn(Dialogue&, const Command&) {
    return {502, "5.5.1", "Members of lists are not disclosed"};
}

Reply perform_help(Dialogue& dialogue, const Command& command) {
    if (command.argument.empty()) {
        std::string text = fmt::format("postoffice on {} understands", dialogue.config().identity.hostname);
        for (const auto& verb : verb_table())
            if (is_offered(verb, dialogue)) text.append("\n    ").append(verb.syntax);
        return {214, "2.0.0", text};
    }
    const Verb* verb = find_verb(command.argument);
    if (verb != nullptr && is_offered(*verb, dialogue)) return {214, "2.0.0", std::string(verb->syntax)};
    return {504, "5.5.4", "No help for that"};
}

Reply perform_quit(Dialogue& dialogue, const Command&) {
    dialogue.abandon_transaction();
    dialogue.is_over = true;
    return {221, "2.0.0", fmt::format("{} closing connection", dialogue.config().identity.hostname)};
}

}  // namespace postoffice
