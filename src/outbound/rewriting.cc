#include "postoffice/outbound/rewriting.h"

#include "postoffice/base/disk.h"
#include "postoffice/config/srs_key.h"
#include "postoffice/mail/address_rewriting.h"
#include "postoffice/mail/header.h"
#include "postoffice/mail/srs.h"

namespace postoffice {
namespace {

constexpr std::size_t largest_header = 262144;

}  // namespace

Address OutgoingAddresses::rewritten(const Address& address) const {
    if (const auto generic = generics_.find(address)) return generic->address;
    const IdentityConfig& identity = config_.identity;
    const bool is_hosts = address.domain() == identity.hostname || address.domain() == "localhost";
    if (identity.masquerade.empty() || !is_hosts) return address;
    return Address(address.local_part(), identity.masquerade);
}

std::optional<ReplacedHeader> OutgoingAddresses::replacement_for(int message) const {
    if (changes_nothing()) return std::nullopt;
    std::string text(largest_header, '\0');
    text.resize(disk::read_at(message, text, 0));
    const auto end = text.find("\n\n");
    if (end == std::string::npos) return std::nullopt;
    text.resize(end + 1);
    auto header = rewrite_addresses(text, [this](const Address& address) { return rewritten(address); });
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
