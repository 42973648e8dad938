// The configuration file on disk. It is believed if only trusted accounts can have written it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace postoffice {

/// Contents of a file that only trusted accounts could have written, or the reason why there are none.
struct TrustedFile {
    std::string text;
    int exit_code = 0;    ///< 0, 66 (missing, unreadable) or 72 (not safe)
    std::string problem;  ///< without the path
};

/// Reads a regular file that belongs to root or to `user` and that no other account may write, in a path of
/// which the same is true. A folder that all may write is safe if it is sticky (/tmp), since an account can
/// replace only its own files there. A group may write if it is root's, or the private group of `user`.
/// Symbolic links are followed and held to the same rule. A file of more than `most` octets is not read. Does
/// not throw.
TrustedFile read_trusted_file(const std::string& path, uid_t user, std::size_t most = 1 << 20);

/// The same of a file of any size, without reading it. For programs.
TrustedFile find_trusted_file(const std::string& path, uid_t user);

}  // namespace postoffice
