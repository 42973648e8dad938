#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "postoffice/base/text.h"
#include "postoffice/mail/header.h"
#include "postoffice/policy/policy_service.h"

namespace postoffice {
namespace {

using ActionKind = PolicyAction::Kind;

constexpr std::size_t longest_action_text = 900;  // of a reply or a header field

struct ActionRow {
    std::string_view word;
    ActionKind kind;
    int code = 0;  ///< of the reply
};

// access(5) of Postfix. Its default codes: 554 for REJECT, 450 for what is deferred.
constexpr auto action_table = std::to_array<ActionRow>({
    {"DUNNO", ActionKind::none},
    {"OK", ActionKind::accept},
    {"PERMIT", ActionKind::accept},
    {"REJECT", ActionKind::refuse, 554},
    {"DEFER", ActionKind::refuse, 450},
    {"DEFER_IF_PERMIT", ActionKind::defer_if_permit, 450},
    {"DEFER_IF_REJECT", ActionKind::defer_if_reject, 450},
    {"PREPEND", ActionKind::prepend},
    {"DISCARD", ActionKind::discard},
    {"HOLD", ActionKind::hold},
    {"WARN", ActionKind::warn},
    {"INFO", ActionKind::warn},
});

/// The code that `word` is: "450", "554"; 0 if it is none.
int reply_code(std::string_view word) {
    const bool is_code = word.size() == 3 && (word[0] == '4' || word[0] == '5') &&
                         std::all_of(word.begin(), word.end(), is_digit);
    return is_code ? (word[0] - '0') * 100 + (word[1] - '0') * 10 + (word[2] - '0') : 0;
}

/// What the client is told: ASCII, with an enhanced status of the class of the code (RFC 3463 section 2).
Reply reply_with(int code, std::string_view text) {
    const auto [status, rest] = split_enhanced_status(text);
    const bool fits = !status.empty() && status.front() - '0' == code / 100;
    std::string words(trim(rest));
    std::replace_if(
        words.begin(), words.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7e; }, '?');
    if (words.empty()) words = code < 500 ? "Please try again later" : "Access denied";
    return {code, fits ? std::string(status) : code < 500 ? "4.7.1" : "5.7.1", words};
}

bool is_header_field(std::string_view text) {
    const auto colon = text.find(':');
    return colon != text.npos && !field_name(text.substr(0, colon + 1)).empty();
}

}  // namespace

PolicyAction parse_policy_action(std::string_view text) {
    std::string_view rest = trim(text);
    const std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
    rest.remove_prefix(word.size());
    const std::string words = printable(trim(rest).substr(0, longest_action_text));
    PolicyAction action{ActionKind::not_available, {}, words, printable(word.substr(0, 60))};
    if (const int code = reply_code(word); code != 0) {
        action.kind = ActionKind::refuse;
        action.reply = reply_with(code, words);
        return action;
    }
    if (!word.empty() && std::all_of(word.begin(), word.end(), is_digit)) {  // access(5): the same as OK
        action.kind = ActionKind::accept;
        return action;
    }
    const auto row = std::find_if(action_table.begin(), action_table.end(),
                                  [&](const ActionRow& one) { return equals_ignoring_case(one.word, word); });
    if (row == action_table.end() || (row->kind == ActionKind::prepend && !is_header_field(words)))
        return action;
    action.kind = row->kind;
    if (row->code != 0) action.reply = reply_with(row->code, words);
    return action;
}

Result<PolicyAction> parse_policy_answer(std::string_view text) {
    std::optional<PolicyAction> action;
    while (!text.empty()) {
        const std::string_view line = read_until(text, '\n');
        const auto equals = line.find('=');
        if (equals == 0 || equals == line.npos || line.find('\0') != line.npos)
            return Problem{fmt::format("\"{}\" is not name=value", printable(line.substr(0, 60)))};
        if (line.substr(0, equals) == "action" && !action)
            action = parse_policy_action(line.substr(equals + 1));
    }
    if (!action) return Problem{"there is no action in the answer"};
    if (action->word.empty()) return Problem{"the action is empty"};
    return *action;
}

}  // namespace postoffice
