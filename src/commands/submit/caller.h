// The user that runs this command, as the kernel and the password database say; the environment is not
// believed.
#pragma once

#include <sys/types.h>

#include <string>

namespace postoffice {

struct Caller {
    uid_t uid = 0;
    std::string login;  ///< "uidN" for a uid without account
    std::string full_name;
    std::string home;  ///< empty without account
};

/// The real uid's account. LOGNAME and USER choose between login names of the same uid, and do nothing else.
Caller identify_caller();

}  // namespace postoffice
