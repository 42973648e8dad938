// Stands in for pam.cc in a build without PAM: the hash in the shadow file decides, as it does for pam_unix.
#include <shadow.h>

#include <ctime>

#include "postoffice/policy/pam.h"
#include "postoffice/policy/passwords.h"

namespace postoffice {

const bool has_pam = false;

AuthOutcome ask_pam(const std::string& user, const std::string& password, const std::string&) {
    const spwd* entry = ::getspnam(user.c_str());
    const long today = static_cast<long>(std::time(nullptr) / 86400);
    StoredPassword stored;
    if (entry != nullptr && entry->sp_pwdp != nullptr) stored = parse_stored_password(entry->sp_pwdp);
    if (stored.kind == StoredPassword::Kind::plain) stored = {};  // no shadow file has it
    const bool is_right = is_password(password, stored);
    const bool has_expired = entry != nullptr && entry->sp_expire > 0 && today >= entry->sp_expire;
    return is_right && !has_expired ? AuthOutcome::yes : AuthOutcome::no;
}

}  // namespace postoffice
