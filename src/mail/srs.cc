#include "postoffice/mail/srs.h"

#include "postoffice/base/keyed_hash.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

// Hosts on the way may change the case of a local part: base 32 does not mind (RFC 4648 section 6).
constexpr std::string_view base32_digits = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t hash_length = 6;  // 30 bits, for a client that has to try them on this host
constexpr int days_in_cycle = 1024;     // two digits
constexpr UnixTime day = 86400;

constexpr std::string_view first_tag = "SRS0";
constexpr std::string_view later_tag = "SRS1";

bool has_tag(std::string_view local_part, std::string_view tag) {
    return starts_with_ignoring_case(local_part, tag) && local_part.size() > tag.size() &&
           std::string_view("=+-").find(local_part[tag.size()]) != std::string_view::npos;
}

std::string base32(std::uint64_t number, std::size_t length) {
    std::string text;
    for (; text.size() < length; number >>= 5) text.insert(text.begin(), base32_digits[number & 31]);
    return text;
}

std::string time_text(UnixTime now) {
    return base32(static_cast<std::uint64_t>(now / day % days_in_cycle), 2);
}

/// Days since then; nullopt if it is no time.
std::optional<int> age_of(std::string_view time, UnixTime now) {
    if (time.size() != 2) return std::nullopt;
    const std::string lower = to_lower(time);
    const auto high = base32_digits.find(lower[0]), low = base32_digits.find(lower[1]);
    if (high == base32_digits.npos || low == base32_digits.npos) return std::nullopt;
    const int then = static_cast<int>(high * 32 + low);
    const int today = static_cast<int>(now / day % days_in_cycle);
    return (today - then + days_in_cycle) % days_in_cycle;
}

std::optional<Address> checked(std::string local_part, const std::string& domain) {
    if (local_part.size() > max_local_part) return std::nullopt;
    return Address(std::move(local_part), domain);
}

}  // namespace

Srs::Srs(const std::vector<std::string>& secrets) : secrets_(secrets) {}

std::string Srs::hash(std::string_view text, std::size_t secret) const {
    // A key of 128 bits from a secret of any length.
    const std::string& words = secrets_[secret];
    const HashKey key{keyed_hash({0, 0}, words), keyed_hash({1, 1}, words)};
    return base32(keyed_hash(key, to_lower(text)), hash_length);
}

bool Srs::is_valid(std::string_view given, std::string_view text) const {
    bool found = false;
    for (std::size_t i = 0; i < secrets_.size(); ++i)
        found = equals_ignoring_case(given, hash(text, i)) || found;
    return found;
}

bool Srs::is_srs(const Address& address) {
    return has_tag(address.local_part(), first_tag) || has_tag(address.local_part(), later_tag);
}

std::optional<Address> Srs::rewritten(const Address& sender, const std::string& domain, UnixTime now) const {
    const std::string& local = sender.local_part();
    if (has_tag(local, first_tag)) {
        const std::string text = sender.domain() + "=" + local.substr(first_tag.size());
        return checked("SRS1=" + hash(text, 0) + "=" + text, domain);
    }
    if (has_tag(local, later_tag)) {
        // Only the hash of the host before changes: the way back leads past that host.
        std::string_view rest = std::string_view(local).substr(later_tag.size() + 1);
        (void)read_until(rest, '=');
        return checked("SRS1=" + hash(rest, 0) + "=" + std::string(rest), domain);
    }
    const std::string text = time_text(now) + "=" + sender.domain() + "=" + local;
    return checked("SRS0=" + hash(text, 0) + "=" + text, domain);
}

Result<Address> Srs::original(const Address& address, UnixTime now) const {
    const bool is_first = has_tag(address.local_part(), first_tag);
    std::string_view text = std::string_view(address.local_part()).substr(first_tag.size() + 1);
    const std::string_view given = read_until(text, '=');
    if (!is_valid(given, text)) return Problem{"no mail for this address was sent from here"};
    if (!is_first) {
        const std::string_view host = read_until(text, '=');
        return Address(std::string(first_tag) + std::string(text), std::string(host));
    }
    const auto age = age_of(read_until(text, '='), now);
    if (!age || *age > valid_days) return Problem{"the address is too old"};
    const std::string_view host = read_until(text, '=');
    return Address(std::string(text), to_lower(host));
}

}  // namespace postoffice
