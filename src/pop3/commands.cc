#include <algorithm>
#include <array>

#include "command.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

using State = Pop3Command::State;
using Argument = Pop3Command::Argument;

constexpr std::array commands = {
    Pop3Command{"APOP", State::before_login, Argument::optional, perform_apop},
    Pop3Command{"AUTH", State::before_login, Argument::optional, perform_auth},
    Pop3Command{"CAPA", State::always, Argument::none, perform_capa},
    Pop3Command{"DELE", State::after_login, Argument::required, perform_dele},
    Pop3Command{"LANG", State::always, Argument::optional, perform_lang},
    Pop3Command{"LIST", State::after_login, Argument::optional, perform_list},
    Pop3Command{"NOOP", State::after_login, Argument::none, perform_noop},
    Pop3Command{"PASS", State::before_login, Argument::required, perform_pass},
    Pop3Command{"QUIT", State::always, Argument::none, perform_quit},
    Pop3Command{"RETR", State::after_login, Argument::required, perform_retr},
    Pop3Command{"RSET", State::after_login, Argument::none, perform_rset},
    Pop3Command{"STAT", State::after_login, Argument::none, perform_stat},
    Pop3Command{"STLS", State::before_login, Argument::none, perform_stls},
    Pop3Command{"TOP", State::after_login, Argument::required, perform_top},
    Pop3Command{"UIDL", State::after_login, Argument::optional, perform_uidl},
    Pop3Command{"USER", State::before_login, Argument::required, perform_user},
    Pop3Command{"UTF8", State::before_login, Argument::none, perform_utf8},
};

}  // namespace

const Pop3Command* find_pop3_command(std::string_view name) {
    const auto found = std::find_if(commands.begin(), commands.end(), [&](const Pop3Command& one) {
        return equals_ignoring_case(one.name, name);
    });
    return found == commands.end() ? nullptr : &*found;
}

}  // namespace postoffice
