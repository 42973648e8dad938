#include "user_update.h"

#include <algorithm>

#include "postoffice/base/text.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/domain_files.h"

namespace postoffice {
namespace {

/// "%41+b" is "A b".
std::optional<std::string> decoded(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        if (text.front() == '%') {
            const int high = text.size() < 3 ? -1 : hex_value(text[1]);
            const int low = high < 0 ? -1 : hex_value(text[2]);
            if (low < 0) return std::nullopt;
            result += static_cast<char>(high * 16 + low);
            text.remove_prefix(3);
        } else {
            result += text.front() == '+' ? ' ' : text.front();
            text.remove_prefix(1);
        }
    }
    return result;
}

/// What begins with a quote is a command, without the bar that its user need not know of.
std::string alias_value(std::string value) {
    if (value.starts_with('"') && !value.starts_with("\"|")) value.insert(1, "|");
    return value;
}

bool read_field(UserUpdate& update, std::string_view name, std::string value) {
    if (name == "trans") return value == "UPDATE";
    if (name == "user")
        update.user = std::move(value);
    else if (name == "passwd")
        update.password = std::move(value);
    else if (name == "forward")
        update.forward = alias_value(std::string(trim(value)));
    else if (name == "delete")
        update.remove = value != "0" && !value.empty();
    else if (name == "domain")
        update.domain = to_lower(value);
    else if (name == "secret")
        update.secret = std::move(value);
    else
        return false;
    return true;
}

}  // namespace

Result<UserUpdate> parse_user_update(std::string_view line) {
    UserUpdate update;
    for (const auto field : split(trim(line), '&')) {
        auto rest = field;
        const auto name = read_until(rest, '=');
        auto value = decoded(rest);
        if (!value || printable(*value) != *value)
            return Problem{"The field " + printable(name) + " cannot be understood"};
        if (!read_field(update, name, std::move(*value)))
            return Problem{"There is no field " + printable(field.substr(0, 40))};
    }
    if (!is_virtual_user_name(update.user)) return Problem{"The name of the user is not a valid one"};
    if (update.password && (update.password->empty() || update.password->size() > longest_new_password))
        return Problem{"The password is empty, or too long"};
    if (update.forward && !update.forward->empty())
        if (const auto problem = alias_value_problem(*update.forward, AliasPlace::domain); !problem.empty())
            return Problem{problem};
    if (!update.remove && !update.password && !update.forward)
        return Problem{"There is neither passwd nor forward nor delete in it"};
    return update;
}

bool needs_secret(const UserUpdate& update) {
    if (equals_ignoring_case(update.user, "postmaster")) return true;
    if (!update.forward || update.forward->empty()) return false;
    const auto targets = parse_alias_value(*update.forward, AliasPlace::domain);
    using Kind = AliasTarget::Kind;
    return !targets || std::any_of(targets->begin(), targets->end(), [](const AliasTarget& target) {
        return target.kind != Kind::address && target.kind != Kind::account;
    });
}

}  // namespace postoffice
