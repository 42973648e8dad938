// Folders in which root has to work though another account may change what is in them. Such an account could
// put a link where a file was expected, at any moment, and root would follow it. So root opens such a folder
// once and works with its owner's rights: a link then leads nowhere that its maker could not reach anyway.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "postoffice/base/fd.h"

namespace postoffice {

/// The part before the last slash: "/" for "/name", "." for a name alone.
std::string parent_of(const std::string& path);

/// Opens a folder for names in it to be used (O_PATH). For root, a link on the way counts only if it stands
/// in a folder that root alone can change. Throws std::system_error (ENOTDIR for a link that does not
/// count).
Fd open_folder(const std::string& path);

/// As long as it lives, a process of root has the rights of the folder's owner and group instead, unless the
/// owner is root. Other processes keep theirs. Throws std::system_error. Ends the process if root's rights
/// cannot be taken back.
class RightsOfOwner {
  public:
    explicit RightsOfOwner(const std::string& folder);
    ~RightsOfOwner();
    RightsOfOwner(const RightsOfOwner&) = delete;
    RightsOfOwner& operator=(const RightsOfOwner&) = delete;

    /// The folder, as open_folder() gives it.
    [[nodiscard]] int folder() const { return folder_.get(); }
    /// True if the process works with other rights than its own now.
    [[nodiscard]] bool changed() const { return changed_; }

  private:
    void restore();

    Fd folder_;
    bool changed_ = false;
    std::vector<gid_t> groups_{};  ///< root's own, for the way back
    gid_t group_ = 0;
};

/// The same for good, for a command of root that has no more to do than look into the folder and change what
/// is in it. The effective ids decide afterwards, as for a process that its owner started.
void become_owner_of(const std::string& folder);

/// Makes a folder of this account with this mode, whatever the umask is, and its name durable. Returns false,
/// and changes nothing, if a folder is there. Throws std::system_error: ENOTDIR if something else is there,
/// or, for root, a link in a folder of another account; EPERM if that other account is not `uid`.
bool make_folder(const std::string& path, mode_t mode, uid_t uid, gid_t gid);

}  // namespace postoffice
