#include "postoffice/policy/session_pass.h"

#include <string.h>
#include <unistd.h>

#include <string_view>

#include "postoffice/base/error.h"
#include "postoffice/base/keyed_hash.h"

namespace postoffice {

PassKey::PassKey() {
    if (::getentropy(key_.data(), sizeof key_) != 0) throw_errno("random numbers");
}

SessionPass PassKey::pass_for(std::uint64_t number) const {
    const auto* octets = reinterpret_cast<const char*>(&number);
    return {number, keyed_hash(key_, std::string_view(octets, sizeof number))};
}

bool PassKey::has_sealed(const SessionPass& pass) const {
    return pass_for(pass.number).seal == pass.seal;
}

void PassKey::wipe() noexcept {
    ::explicit_bzero(key_.data(), sizeof key_);
}

}  // namespace postoffice
