// What a letter of domain_form.h asks for: one line in the encoding of web forms.
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

/// True if only the owner may ask for it, and no program of the owner's that strangers can reach: it makes
/// an alias that runs a program or names a file, or it is about postmaster, whose password is the secret.
bool needs_secret(const UserUpdate& update);

}  // namespace postoffice
