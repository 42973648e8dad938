#include "postoffice/policy/passwords.h"

#include <crypt.h>
#include <fcntl.h>
#include <string.h>

#include <memory>

#include "postoffice/base/disk.h"
#include "postoffice/base/text.h"
#include "postoffice/config/values.h"
#include "postoffice/policy/scram.h"

namespace postoffice {
namespace {

constexpr std::size_t most_password_file = 64u << 20;
/// SHA-512 of nothing in particular: what is checked where there is nothing to check, so that a name that
/// nobody has takes as long as one that somebody has.
constexpr const char* nobodys_hash = "$6$postoffice$";

bool is_equal(std::string_view a, std::string_view b) {
    unsigned char difference = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference =
            static_cast<unsigned char>(difference | (a[i] ^ b[i % std::max<std::size_t>(b.size(), 1)]));
    return difference == 0;
}

/// Dovecot writes the kind of a hash in front of it, "{SHA512-CRYPT}$6$…": which for those of crypt(5) is to
/// say it twice.
std::string_view without_scheme(std::string_view hash) {
    for (const std::string_view scheme :
         {"{CRYPT}", "{SHA512-CRYPT}", "{SHA256-CRYPT}", "{BLF-CRYPT}", "{MD5-CRYPT}", "{DES-CRYPT}"})
        if (starts_with_ignoring_case(hash, scheme)) return hash.substr(scheme.size());
    return hash;
}

bool is_usable(std::string_view hash) {
    return hash.size() >= 13 && hash.front() != '!' && hash.front() != '*' && hash.find('\0') == hash.npos;
}

/// Empty if the domain is not there.
std::string read_password_file(const Config& config, const std::string& domain) {
    // The domain becomes part of a path: only what is a domain may.
    const auto checked = parse_domain(domain);
    if (config.vhost_dir.empty() || !checked) return "";
    const Fd file =
        disk::open_if_exists(config.vhost_dir + "/" + *checked + "/passwd", O_RDONLY | O_NONBLOCK);
    return file ? disk::read_all(file.get(), most_password_file) : "";
}

}  // namespace

bool is_password(std::string_view password, std::string_view hash) {
    if (const auto verifier = parse_scram_verifier(hash)) return is_scram_password(password, *verifier);
    hash = without_scheme(hash);
    const bool usable = is_usable(hash) && password.find('\0') == password.npos;
    const std::string setting(usable ? hash : nobodys_hash);
    std::string phrase(usable ? password : "");
    const auto data = std::make_unique<crypt_data>();  // 32 KB: too much for a stack
    const char* result = ::crypt_r(phrase.c_str(), setting.c_str(), data.get());
    ::explicit_bzero(phrase.data(), phrase.size());
    if (!usable || result == nullptr || result[0] == '*') return false;
    return is_equal(result, setting);
}

std::optional<VirtualUser> parse_virtual_user(std::string_view line) {
    line = trim(line);
    if (line.empty() || line.front() == '#') return std::nullopt;
    const auto fields = split(line, ':');
    if ((fields.size() != 2 && fields.size() != 7) || fields[0].empty()) return std::nullopt;
    return VirtualUser{std::string(fields[0]), std::string(fields[1]),
                       fields.size() == 7 ? std::string(fields[5]) : std::string()};
}

std::optional<VirtualUser> find_virtual_user(const Config& config, const std::string& name,
                                             const std::string& domain) {
    if (name.empty()) return std::nullopt;
    const std::string text = read_password_file(config, domain);
    for (std::string_view rest = text; !rest.empty();)
        if (auto user = parse_virtual_user(take_until(rest, '\n'));
            user && equals_ignoring_case(user->name, name))
            return user;
    return std::nullopt;
}

std::string typical_hash(const Config& config, const std::string& domain) {
    const std::string text = read_password_file(config, domain);
    for (std::string_view rest = text; !rest.empty();)
        if (auto user = parse_virtual_user(take_until(rest, '\n'));
            user && (parse_scram_verifier(user->hash) || is_usable(without_scheme(user->hash))))
            return user->hash;
    return "";
}

}  // namespace postoffice
