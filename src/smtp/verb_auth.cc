// AUTH. RFC 4954; the mechanisms are in policy/login.h.
#include "postoffice/base/text.h"
#include "postoffice/policy/login.h"
#include "verb.h"

namespace postoffice {
namespace {

Login login_of(Dialogue& dialogue) {
    return Login({.config = dialogue.config(),
                  .authenticator = dialogue.services.authenticator,
                  .connection = dialogue.connection,
                  .failures = dialogue.failed_logins,
                  .address = dialogue.state.client_address.str(),
                  .client = dialogue.client(),
                  .is_trusted = dialogue.client_is_local(),
                  .rates = dialogue.services.rates,
                  .misconduct = dialogue.client_is_known() ? nullptr : dialogue.services.misconduct,
                  .next_line = [&dialogue](std::size_t most) {
                      dialogue.wait_for_input();
                      return dialogue.connection.read_line(most, dialogue.line_deadline());
                  }});
}

}  // namespace

bool offers_auth(Dialogue& dialogue) {
    return dialogue.services.authenticator.is_there() && !dialogue.is_authenticated() &&
           (dialogue.is_over_tls() || dialogue.config().auth.plaintext || dialogue.client_is_local());
}

std::string mechanisms(Dialogue& dialogue) {
    return login_of(dialogue).mechanisms();
}

std::optional<Reply> check_auth(Dialogue& dialogue) {
    if (!dialogue.services.authenticator.is_there())
        return Reply{502, "5.5.1", "That command is not offered here"};
    if (dialogue.is_authenticated()) return Reply{503, "5.5.1", "You have authenticated already"};
    if (dialogue.transaction.is_open()) return Reply{503, "5.5.1", "AUTH is not for the middle of a message"};
    if (!offers_auth(dialogue)) return Reply{538, "5.7.11", "Encryption required: use STARTTLS first"};
    auto refusal = login_of(dialogue).lock_out();
    if (refusal) dialogue.is_over = true;
    return refusal;
}

Reply perform_auth(Dialogue& dialogue, const Command& command) {
    dialogue.has_heard_secret = true;
    std::string_view rest = command.argument;
    dialogue.login_mechanism = read_until(rest, ' ');
    for (char& c : dialogue.login_mechanism)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    Login login = login_of(dialogue);
    const Reply reply = login.authenticate(command.argument);
    if (login.verdict()) dialogue.state.user.assign_cut(login.verdict()->user);  // of the same size
    return reply;
}

}  // namespace postoffice
