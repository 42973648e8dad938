// The verbs: one table row each. A verb is checked (does it make sense now, is it well formed?) and then
// performed; the outcome of either is a reply. One file for each family: verb_hello.cc, verb_mail.cc, …
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "dialogue.h"
#include "postoffice/mail/reply.h"
#include "postoffice/smtp/command.h"

namespace postoffice {

struct Verb {
    std::string_view name;
    std::string_view syntax;  ///< for HELP and for syntax errors
    enum class Argument { none, optional, required } argument;
    /// Why it cannot be performed now; null pointer: always allowed.
    std::optional<Reply> (*check)(Dialogue&);
    /// Throws std::system_error and the like (a 451, see session.cc); Timeout and PeerGone end the session.
    Reply (*perform)(Dialogue&, const Command&);
    bool (*is_offered)(Dialogue&) = nullptr;  ///< HELP lists it for this client; null pointer: for every one
};

std::span<const Verb> verb_table();
/// Whatever its case; null pointer: there is none of this name.
const Verb* find_verb(std::string_view name);

/// Whether this client may use ETRN.
bool offers_etrn(Dialogue&);

/// 501 5.5.4 with the verb's syntax.
Reply syntax_error(std::string_view verb_name);

Reply perform_helo(Dialogue&, const Command&);
Reply perform_ehlo(Dialogue&, const Command&);
std::optional<Reply> check_mail(Dialogue&);
Reply perform_mail(Dialogue&, const Command&);
std::optional<Reply> check_rcpt(Dialogue&);
Reply perform_rcpt(Dialogue&, const Command&);
/// The client may ask for reports of success (NOTIFY=SUCCESS, RFC 3461).
bool offers_dsn(Dialogue&);
bool offers_future_release(Dialogue&);
std::optional<Reply> check_data(Dialogue&);
Reply perform_data(Dialogue&, const Command&);
Reply perform_bdat(Dialogue&, const Command&);
Reply perform_etrn(Dialogue&, const Command&);
Reply perform_rset(Dialogue&, const Command&);
Reply perform_noop(Dialogue&, const Command&);
Reply perform_vrfy(Dialogue&, const Command&);
Reply perform_expn(Dialogue&, const Command&);
Reply perform_help(Dialogue&, const Command&);
/// AUTH is possible for this client now.
bool offers_auth(Dialogue&);
/// All that are offered, "PLAIN LOGIN".
std::string mechanisms(Dialogue&);
std::optional<Reply> check_auth(Dialogue&);
Reply perform_auth(Dialogue&, const Command&);
/// DEBUG is answered to this client.
bool offers_debug(Dialogue&);
std::optional<Reply> check_debug(Dialogue&);
Reply perform_debug(Dialogue&, const Command&);
/// TLS can begin now.
bool offers_starttls(Dialogue&);
std::optional<Reply> check_starttls(Dialogue&);
Reply perform_starttls(Dialogue&, const Command&);
Reply perform_quit(Dialogue&, const Command&);

}  // namespace postoffice
