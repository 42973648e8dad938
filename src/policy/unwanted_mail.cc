#include "postoffice/policy/unwanted_mail.h"

#include <algorithm>

namespace postoffice {

std::optional<Reply> Unwanted::add(const UnwantedMail& spam, Reply refusal, std::string_view before) {
    if (spam.action == UnwantedMail::Action::bounce) {
        refusal.text = std::string(before) + (spam.why.empty() ? refusal.text : spam.why);
        return refusal;
    }
    if (!why.empty()) return std::nullopt;
    why = refusal.text.empty() ? "unwanted" : refusal.text;
    std::replace(why.begin(), why.end(), '\n', ' ');
    if (spam.action == UnwantedMail::Action::folder) folder = MailFolder::spam;
    return std::nullopt;
}

}  // namespace postoffice
