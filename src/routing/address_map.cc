#include "postoffice/routing/address_map.h"

#include <fmt/format.h>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/config/values.h"
#include "postoffice/routing/user_files.h"

namespace postoffice {

Result<Address> parse_address_map_value(std::string_view value) {
    value = trim(value);
    if (value.starts_with('@')) {
        const auto domain = parse_domain(value.substr(1));
        return domain ? Result<Address>(Address("", *domain)) : Problem{domain.problem()};
    }
    if (value.empty()) return Problem{"the address is missing"};
    return parse_addr_spec(value);
}

std::vector<AddressMap::Key> AddressMap::keys_of(const Address& address) const {
    const std::string& local_part = address.local_part();
    std::vector<Key> names{{to_lower(local_part)}};
    for (const ExtendedName& name : extended_names(local_part, config_.routing.recipient_delimiter))
        if (name.user.size() < local_part.size())
            names.push_back({to_lower(name.user), local_part.substr(name.user.size())});
    std::vector<Key> keys;
    for (const Key& name : names)
        keys.push_back({fmt::format("{}@{}", name.text, address.domain()), name.extension});
    if (config_.identity.is_local_domain(address.domain()))
        keys.insert(keys.end(), names.begin(), names.end());
    keys.push_back({"@" + address.domain()});
    return keys;
}

std::optional<AddressMap::Entry> AddressMap::find(const Address& address) const {
    if (is_empty() || !address.is_qualified()) return std::nullopt;
    if (!table_.problem().empty()) throw FormatError(fmt::format("{}: {}", option_, table_.problem()));
    for (const Key& key : keys_of(address)) {
        const auto row = table_.find(key.text);
        if (!row) continue;
        const auto value = parse_address_map_value(row->value);
        if (!value)
            throw FormatError(fmt::format("{}: {}: {}", option_, table_.place_of(*row), value.problem()));
        if (value->local_part().empty())
            return Entry{Address(address.local_part(), value->domain()), row->line};
        const Address whole = value->qualified(config_.identity.hostname);
        if (extension_ == Extension::dropped) return Entry{whole, row->line};
        return Entry{Address(whole.local_part() + key.extension, whole.domain()), row->line};
    }
    return std::nullopt;
}

std::vector<std::string> AddressMap::problems() const {
    return table_.problems(option_,
                           [](std::string_view value) { return parse_address_map_value(value).problem(); });
}

}  // namespace postoffice
