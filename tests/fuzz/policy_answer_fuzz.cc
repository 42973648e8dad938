// The answer of a policy service: whatever it is, what the client and the message get has its bounds and no
// control characters.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "postoffice/base/text.h"
#include "postoffice/mail/header.h"
#include "postoffice/policy/policy_service.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto action = parse_policy_answer(text);
    if (!action) return 0;
    if (has_control(action->text) || action->text.size() > 3000 || action->word.empty()) std::abort();
    const Reply& reply = action->reply;
    const bool refuses = action->kind == PolicyAction::Kind::refuse ||
                         action->kind == PolicyAction::Kind::defer_if_permit ||
                         action->kind == PolicyAction::Kind::defer_if_reject;
    if (refuses != !reply.is_positive() || reply.code > 599) std::abort();
    if (refuses && (reply.text.empty() || reply.status.front() - '0' != reply.code / 100)) std::abort();
    for (const char c : reply.text)
        if (c < ' ' || c > '~') std::abort();
    if (action->kind == PolicyAction::Kind::prepend && field_name(action->text).empty()) std::abort();
    return 0;
}
