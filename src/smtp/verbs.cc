#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "postoffice/base/text.h"
#include "verb.h"

namespace postoffice {
namespace {

using Argument = Verb::Argument;

constexpr auto verbs = std::to_array<Verb>({
    {"HELO", "HELO host", Argument::required, nullptr, perform_helo},
    {"EHLO", "EHLO host", Argument::required, nullptr, perform_ehlo},
    {"MAIL", "MAIL FROM:<address> [parameters]", Argument::required, check_mail, perform_mail},
    {"RCPT", "RCPT TO:<address> [parameters]", Argument::required, check_rcpt, perform_rcpt},
    {"DATA", "DATA", Argument::none, check_data, perform_data},
    {"BDAT", "BDAT octets [LAST]", Argument::optional, nullptr, perform_bdat},
    {"STARTTLS", "STARTTLS", Argument::none, check_starttls, perform_starttls, offers_starttls},
    {"AUTH", "AUTH PLAIN or AUTH LOGIN", Argument::required, check_auth, perform_auth, offers_auth},
    {"RSET", "RSET", Argument::none, nullptr, perform_rset},
    {"QUIT", "QUIT", Argument::none, nullptr, perform_quit},
    {"NOOP", "NOOP", Argument::optional, nullptr, perform_noop},
    {"VRFY", "VRFY address", Argument::required, nullptr, perform_vrfy},
    {"EXPN", "EXPN list", Argument::required, nullptr, perform_expn},
    {"ETRN", "ETRN [@]domain", Argument::required, nullptr, perform_etrn, offers_etrn},
    {"DEBUG", "DEBUG", Argument::none, check_debug, perform_debug, offers_debug},
    {"HELP", "HELP [verb]", Argument::optional, nullptr, perform_help},
});

}  // namespace

std::span<const Verb> verb_table() {
    return verbs;
}

const Verb* find_verb(std::string_view name) {
    const auto found = std::find_if(verbs.begin(), verbs.end(),
                                    [name](const Verb& v) { return equals_ignoring_case(v.name, name); });
    return found == verbs.end() ? nullptr : &*found;
}

Reply syntax_error(std::string_view verb_name) {
    for (const auto& verb : verbs)
        if (verb.name == verb_name) return {501, "5.5.4", fmt::format("Syntax: {}", verb.syntax)};
    return {501, "5.5.4", "Syntax error"};
}

}  // namespace postoffice
