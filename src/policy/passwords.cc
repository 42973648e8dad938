#include "postoffice/policy/passwords.h"

#include <crypt.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include "postoffice/base/error.h"
#include "postoffice/base/keyed_hash.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

using PasswordKind = StoredPassword::Kind;

/// The hash of no password, of the kind of hash_password().
constexpr const char* nobodys_hash = "$y$j9T$postofficepostofficep.$";

constexpr std::string_view plain_scheme = "{PLAIN}";

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

/// Letters, digits and `more`.
bool consists_of(std::string_view text, std::string_view more) {
    return std::all_of(text.begin(), text.end(),
                       [&](char c) { return is_letter_or_digit(c) || more.find(c) != more.npos; });
}

/// Two letters of salt and eleven for each eight of the password: descrypt has one such block, bigcrypt more.
bool has_form_of_des(std::string_view text) {
    return text.size() >= 13 && text.size() % 11 == 2 && consists_of(text, "./");
}

/// A digest as other programs store it, whatever it was made with.
bool has_form_of_digest(std::string_view text) {
    static constexpr std::array<std::size_t, 8> lengths{16, 32, 40, 48, 56, 64, 96, 128};
    const bool is_hexadecimal = text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
    if (is_hexadecimal) return std::find(lengths.begin(), lengths.end(), text.size()) != lengths.end();
    return text.size() >= 24 && text.size() % 4 == 0 && text.ends_with('=') && consists_of(text, "+/=");
}

bool may_be_hash(std::string_view text) {
    return std::string_view("$_{!*").find(text.front()) != std::string_view::npos || text == "x" ||
           has_form_of_des(text) || has_form_of_digest(text);
}

bool is_known_to_crypt(std::string_view hash) {
    const bool has_form = hash.starts_with('$') || hash.starts_with('_') || has_form_of_des(hash);
    if (!has_form || hash.size() < 13 || hash.find('\0') != hash.npos) return false;
    return ::crypt_checksalt(std::string(hash).c_str()) != CRYPT_SALT_INVALID;
}

/// nullopt if there is nothing to compare with: no password, or a hash that crypt(3) takes for none.
std::optional<bool> compare(std::string_view password, const StoredPassword& stored) {
    if (stored.kind == PasswordKind::scram)
        if (const auto verifier = parse_scram_verifier(stored.text))
            return is_scram_password(password, *verifier);
    if (stored.kind == PasswordKind::plain) return is_equal(password, stored.text);
    if (stored.kind != PasswordKind::hash) return std::nullopt;
    const bool is_text = password.find('\0') == password.npos;
    std::string phrase(is_text ? password : "");
    const auto data = std::make_unique<crypt_data>();  // 32 KB: too much for a stack
    const char* result = ::crypt_r(phrase.c_str(), stored.text.c_str(), data.get());
    ::explicit_bzero(phrase.data(), phrase.size());
    if (result == nullptr || result[0] == '*') return std::nullopt;
    return is_text && is_equal(result, stored.text);
}

}  // namespace

StoredPassword parse_stored_password(std::string_view field, bool may_be_plain) {
    StoredPassword stored;
    const auto text = field.substr(std::min(field.find_first_not_of("!*"), field.size()));
    stored.is_locked = text.size() != field.size();
    const auto be = [&](PasswordKind kind, std::string_view value) {
        stored.kind = kind;
        stored.text = value;
        return stored;
    };
    if (text.empty()) return stored;
    if (parse_scram_verifier(text)) return be(PasswordKind::scram, text);
    if (const auto hash = without_scheme(text); is_known_to_crypt(hash)) return be(PasswordKind::hash, hash);
    if (starts_with_ignoring_case(text, plain_scheme) && text.size() > plain_scheme.size())
        return be(PasswordKind::plain, text.substr(plain_scheme.size()));
    return may_be_plain && !stored.is_locked && !may_be_hash(text) ? be(PasswordKind::plain, text) : stored;
}

bool is_password(std::string_view password, const StoredPassword& stored, const StoredPassword& model) {
    const auto is_right = compare(password, stored);
    if (!is_right && !compare(password, model))
        (void)compare(password, {PasswordKind::hash, false, nobodys_hash});
    return !stored.is_locked && is_right.value_or(false);
}

std::size_t stand_in(const ScramDigest& key, std::string_view name, std::size_t count) {
    HashKey words;
    static_assert(sizeof words <= sizeof key);
    std::memcpy(words.data(), key.data(), sizeof words);
    return static_cast<std::size_t>(keyed_hash(words, name) % count);
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
