#include "postoffice/policy/unwanted_mail.h"

#include <algorithm>

namespace postoffice {

std::optional<Reply> refusal_of_unwanted(const UnwantedMail& spam, Reply refusal, std::string_view before) {
    if (spam.action != UnwantedMail::Action::bounce) return std::nullopt;
    refusal.text.insert(0, before);
    if (!spam.why.empty()) refusal.text = std::string(before) + spam.why;
    return refusal;
}

void Unwanted::add(const UnwantedMail& spam, std::string reason) {
    if (!why.empty()) return;
    why = reason.empty() ? "unwanted" : std::move(reason);
    std::replace(why.begin(), why.end(), '\n', ' ');
    if (spam.action == UnwantedMail::Action::folder) folder = MailFolder::spam;
}

}  // namespace postoffice
