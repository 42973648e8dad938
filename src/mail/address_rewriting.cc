#include "postoffice/mail/address_rewriting.h"

#include <algorithm>
#include <array>

#include "postoffice/base/text.h"
#include "postoffice/mail/address_field.h"
#include "postoffice/mail/header.h"

namespace postoffice {

bool is_address_field(std::string_view name) {
    constexpr std::string_view resent = "Resent-";
    if (starts_with_ignoring_case(name, resent)) name.remove_prefix(resent.size());
    static constexpr std::array<std::string_view, 5> names{"From", "Sender", "Reply-To", "To", "Cc"};
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view one) { return equals_ignoring_case(one, name); });
}

std::optional<std::string> rewrite_addresses(std::string_view header, const AddressRewriter& rewritten) {
    std::string text;
    bool is_changed = false;
    const char* const begin = header.data();
    std::size_t copied = 0;
    const std::string_view whole = header;
    while (const auto field = read_field(header)) {
        if (!is_address_field(field->name)) continue;
        for (const MailboxText& mailbox : find_mailboxes(field->body)) {
            const auto address = parse_addr_spec(mailbox.address);
            if (!address || !address->is_qualified()) continue;
            const Address other = rewritten(*address);
            if (other == *address) continue;
            const auto at = static_cast<std::size_t>(mailbox.address.data() - begin);
            text.append(whole.substr(copied, at - copied)).append(other.to_string());
            copied = at + mailbox.address.size();
            is_changed = true;
        }
    }
    if (!is_changed) return std::nullopt;
    const auto end = static_cast<std::size_t>(header.data() - begin);
    return text.append(whole.substr(copied, end - copied));
}

}  // namespace postoffice
