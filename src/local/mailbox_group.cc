#include "postoffice/local/mailbox_group.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

void give_up(MailboxGroup& group) {
    const gid_t own = ::getegid();
    if (::setresgid(own, own, own) != 0) throw_errno("give up the mailbox group");
    if (group.gid != own && ::setegid(group.gid) == 0)
        throw_errno(EPERM, "the mailbox group could be regained");
    group = {};
}

}  // namespace

EffectiveGroup::EffectiveGroup(const MailboxGroup& group) : own_(::getegid()), changed_(group.needed) {
    if (changed_ && ::setegid(group.gid) != 0) throw_errno("take the mailbox group");
}

EffectiveGroup::~EffectiveGroup() {
    if (changed_ && ::setegid(own_) != 0) std::abort();  // must not go on with a group that is not the user's
}

UserFile read_own_file(const Account& account, const std::vector<std::string>& names, MailboxGroup& group) {
    UserFile file = read_user_file(account, names);
    if (file.status != UserFile::Status::no_permission || !group.needed) return file;
    give_up(group);
    return read_user_file(account, names);
}

}  // namespace postoffice
