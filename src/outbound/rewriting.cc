#include "postoffice/outbound/rewriting.h"

#include <algorithm>
#include <array>

#include "postoffice/base/disk.h"
#include "postoffice/base/text.h"
#include "postoffice/config/srs_key.h"
#include "postoffice/mail/address_field.h"
#include "postoffice/mail/header.h"
#include "postoffice/mail/srs.h"

namespace postoffice {
namespace {

constexpr std::size_t largest_header = 262144;

bool holds_addresses(std::string_view name) {
    constexpr std::string_view resent = "Resent-";
    if (starts_with_ignoring_case(name, resent)) name.remove_prefix(resent.size());
    static constexpr std::array<std::string_view, 5> names{"From", "Sender", "Reply-To", "To", "Cc"};
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view one) { return equals_ignoring_case(one, name); });
}

}  // namespace

Address OutgoingAddresses::rewritten(const Address& address) const {
    if (const auto generic = generics_.find(address)) return *generic;
    const IdentityConfig& identity = config_.identity;
    const bool is_hosts = address.domain() == identity.hostname || address.domain() == "localhost";
    if (identity.masquerade.empty() || !is_hosts) return address;
    return Address(address.local_part(), identity.masquerade);
}

std::optional<std::string> OutgoingAddresses::rewritten_header(std::string_view header) const {
    std::string text;
    bool is_changed = false;
    const char* const begin = header.data();
    std::size_t copied = 0;
    const std::string_view whole = header;
    while (const auto field = read_field(header)) {
        if (!holds_addresses(field->name)) continue;
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

std::optional<ReplacedHeader> OutgoingAddresses::replacement_for(int message) const {
    if (changes_nothing()) return std::nullopt;
    std::string text(largest_header, '\0');
    text.resize(disk::read_at(message, text, 0));
    const auto end = text.find("\n\n");
    if (end == std::string::npos) return std::nullopt;
    text.resize(end + 1);
    auto header = rewritten_header(text);
    if (!header) return std::nullopt;
    // What follows the fields, a line that is none, stays.
    std::string_view rest = text;
    while (read_field(rest)) {
    }
    return ReplacedHeader{std::move(*header), text.size() - rest.size()};
}

Result<Address> OutgoingAddresses::forwarder_for(const Address& sender, UnixTime now) const {
    const std::string& key = config_.routing.srs_key;
    const bool is_foreign = !sender.is_null() && !config_.identity.is_local_domain(sender.domain());
    if (key.empty() || !is_foreign) return rewritten(sender);
    const auto secrets = read_srs_key(key);
    if (!secrets) return Problem{secrets.problem()};
    // One that would be too long goes out as it is.
    return Srs(*secrets).rewritten(sender, config_.identity.hostname, now).value_or(sender);
}

}  // namespace postoffice
