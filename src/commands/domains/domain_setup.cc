#include "domain_setup.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>

#include "domain_edits.h"
#include "domain_tool.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

/// What is in the folder of a domain belongs to its owner: it must not be another's already.
void make_domain_folder(const std::string& path, const Account& owner) {
    (void)make_folder(path, owner.uid == 0 ? 0755 : 0700, owner.uid, owner.gid);
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
    if (config.identity.is_local_domain(domain.name))
        throw ToolFailure{EX_DATAERR, domain.name + " is a domain of the host itself"};
    const auto owner = find_login(domain.owner);
    if (!owner) throw ToolFailure{EX_NOUSER, fmt::format("{} has no account", domain.owner)};
    const auto keeper = vhost_account(config);
    if (!keeper)
        throw ToolFailure{EX_NOUSER,
                          fmt::format("vhost-user={} has no account", config.vhost.user.to_string())};
    (void)make_folder(config.vhost.dir, 0755, 0, 0);
    require_new(domain, ChangedFile(config.vhost.dir, "domains.cf", domain_table_rights).text());
    // Owners may have folders of their own in it.
    (void)make_folder(config.vhost.spool, 0711, keeper->uid, keeper->gid);
    make_domain_folder(config.vhost.dir + "/" + domain.name, *owner);
    return *owner;
}

void enter_domain(const Config& config, const VirtualDomain& domain) {
    ChangedFile file(config.vhost.dir, "domains.cf", domain_table_rights);
    require_new(domain, file.text());
    file.replace(with_domain(file.text(), domain));
}

}  // namespace postoffice
