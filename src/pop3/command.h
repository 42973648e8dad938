// The commands: one table row each.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "dialogue.h"

namespace postoffice {

struct Pop3Command {
    std::string_view name;
    enum class State { before_login, after_login, always } state;
    enum class Argument { none, optional, required } argument;
    /// nullopt: it has sent an answer of many lines itself. Throws Timeout and PeerGone, which end the
    /// session.
    std::optional<Pop3Answer> (*perform)(Pop3Dialogue&, std::string_view argument);
};

/// The command of this name, in any case; a null pointer if there is none.
const Pop3Command* find_pop3_command(std::string_view name);

std::optional<Pop3Answer> perform_user(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_pass(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_auth(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_apop(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_stls(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_capa(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_utf8(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_lang(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_stat(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_list(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_uidl(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_retr(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_top(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_dele(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_rset(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_noop(Pop3Dialogue&, std::string_view argument);
std::optional<Pop3Answer> perform_quit(Pop3Dialogue&, std::string_view argument);

/// True if a login may be tried now: under TLS, by a trusted client, or with auth-plaintext.
bool takes_passwords(Pop3Dialogue&);
/// The mechanisms of AUTH, "PLAIN LOGIN"; empty: none now.
std::string pop3_mechanisms(Pop3Dialogue&);
/// Too many logins of this address have failed: the answer with which the session ends.
std::optional<Pop3Answer> lock_out(Pop3Dialogue&);

}  // namespace postoffice
