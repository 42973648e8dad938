// What a mailed update (mailed_update.h) asks for: one line in the encoding of web forms.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/result.h"

namespace postoffice {

/// What is to become of a user.
struct UserUpdate {
    std::string user;
    std::optional<std::string> password = {};
    std::optional<std::string> forward = {};  ///< value of an alias of that name; "": there shall be none
    bool remove = false;
    std::optional<std::string> domain = {};  ///< lower case: which of the owner's domains is meant
    std::optional<std::string> secret = {};  ///< the password of the user postmaster of the domain
};

/// "trans=UPDATE&user=vera&passwd=…".
Result<UserUpdate> parse_user_update(std::string_view line);

/// True if the update needs the secret, since a program of the owner's may pass on what a stranger wrote: it
/// makes an alias that runs a program or names a file, or it changes postmaster, of which the password is the
/// secret.
bool needs_secret(const UserUpdate& update);

}  // namespace postoffice
