#include "postoffice/policy/passwords.h"

#include <crypt.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <string>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/policy/scram.h"

namespace postoffice {
namespace {

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

bool is_usable_hash(std::string_view hash) {
    return parse_scram_verifier(hash) || is_usable(without_scheme(hash));
}

std::string hash_password(std::string_view password) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (::crypt_gensalt_rn("$y$", 0, nullptr, 0, setting, sizeof setting) == nullptr)
        throw_errno("crypt_gensalt");
    std::string phrase(password);
    const auto data = std::make_unique<crypt_data>();
    const char* hash = ::crypt_r(phrase.c_str(), setting, data.get());
    ::explicit_bzero(phrase.data(), phrase.size());
    if (hash == nullptr || hash[0] == '*') throw_errno("crypt");
    return hash;
}

}  // namespace postoffice
