#include "domain_setup.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>

#include "domain_edits.h"
#include "domain_tool.h"
#include "postoffice/base/error.h"
#include "postoffice/mail/users.h"

namespace postoffice {
namespace {

/// A folder of this owner's, if it is not there; with this mode, whatever the umask is.
void make_folder(const std::string& path, const Account& owner, mode_t mode) {
    if (::mkdir(path.c_str(), 0700) != 0) {
        if (errno == EEXIST) return;
        throw_errno(path);
    }
    if (::chown(path.c_str(), owner.uid, owner.gid) != 0 || ::chmod(path.c_str(), mode) != 0)
        throw_errno(path);
}

/// What is in the folder of a domain belongs to its owner: it must not be another's already.
void make_domain_folder(const std::string& path, const Account& owner) {
    make_folder(path, owner, owner.uid == 0 ? 0755 : 0700);
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) throw_errno(path);
    if (!S_ISDIR(status.st_mode) || status.st_uid != owner.uid)
        throw ToolFailure{EX_CANTCREAT,
                          fmt::format("{} is there, and is no folder of {}'s", path, owner.name)};
}

void require_new(const VirtualDomain& domain, const std::string& table) {
    for (const VirtualDomain& other : parse_domains(table))
        if (other.name == domain.name)
            throw ToolFailure{EX_CANTCREAT,
                              fmt::format("{} is there already, in line {}", domain.name, other.line)};
}

}  // namespace

Account make_domain_folders(const Config& config, const VirtualDomain& domain) {
    if (config.is_local_domain(domain.name))
        throw ToolFailure{EX_DATAERR, domain.name + " is a domain of the host itself"};
    const auto owner = find_login(domain.owner);
    if (!owner) throw ToolFailure{EX_NOUSER, fmt::format("{} has no account", domain.owner)};
    const auto keeper = vhost_account(config);
    if (!keeper) throw ToolFailure{EX_NOUSER, fmt::format("vhost-user={} has no account", config.vhost_user)};
    make_folder(config.vhost_dir, {"root", 0, 0, "", "", ""}, 0755);
    require_new(domain, ChangedFile(config.vhost_dir, "domains.cf", domain_table_rights).text());
    make_folder(config.vhost_spool, *keeper, 0700);
    make_domain_folder(config.vhost_dir + "/" + domain.name, *owner);
    return *owner;
}

void enter_domain(const Config& config, const VirtualDomain& domain) {
    ChangedFile file(config.vhost_dir, "domains.cf", domain_table_rights);
    require_new(domain, file.text());
    file.replace(with_domain(file.text(), domain));
}

}  // namespace postoffice
