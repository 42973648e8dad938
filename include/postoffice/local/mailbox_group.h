// How an agent may write below mail-dir when the folder's group is needed for creating files there: it runs
// with the user's own ids, and this group as its saved group id, made effective only while it creates one.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "postoffice/routing/user_files.h"

namespace postoffice {

struct MailboxGroup {
    bool needed = false;
    gid_t gid = 0;
};

/// The group is effective while this lives. Throws std::system_error.
class EffectiveGroup {
  public:
    explicit EffectiveGroup(const MailboxGroup& group);
    ~EffectiveGroup();
    EffectiveGroup(const EffectiveGroup&) = delete;
    EffectiveGroup& operator=(const EffectiveGroup&) = delete;

  private:
    gid_t own_;
    bool changed_;
};

/// read_user_file() of the user that this process is. A file system that shows itself to one user alone
/// (FUSE) wants all ids of a process to be that user's: where that hides the file, the group is given up, for
/// good, and `group` is not needed any more. Throws std::system_error.
UserFile read_own_file(const Account& account, const std::vector<std::string>& names, MailboxGroup& group);

}  // namespace postoffice
