// Mailboxes of virtual users: vhost-spool/DOMAIN/USER.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/routing/mailbox_path.h"

namespace postoffice {
namespace {

void require_own_folder(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) throw_errno("stat " + path);
    if (const auto why = unfit_as_domain_folder(status, ::geteuid()); !why.empty())
        throw UnfitMailbox(std::string(why));
}

/// The name of a folder without a mailbox may not be durable yet: an agent that made it may have been killed.
void make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw_errno("mkdir " + path);
    require_own_folder(path);
    if (std::filesystem::is_empty(path)) disk::sync_name(path);
}

}  // namespace

std::unique_ptr<Mailbox> open_virtual_mailbox(const Config& config, const std::string& user,
                                              const std::string& domain) {
    const std::string folder = config.vhost.spool + "/" + domain;
    make_folder(folder);
    const std::string path = folder + "/" + user;
    if (config.vhost.maildir) return open_maildir(path, config.identity.hostname);
    // Without PATH.lock, which may be the mailbox of another user of the domain.
    return open_mbox(
        path,
        {.escape_from = config.local.escape_from, .dot_lock = false, .limit = config.local.mailbox_size});
}

}  // namespace postoffice
