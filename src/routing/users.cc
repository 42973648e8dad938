#include "postoffice/routing/users.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <limits>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {
namespace {

const char* const password_file = "/etc/passwd";
constexpr std::size_t most_password_octets = 64u << 20;

std::optional<Account> with_group(std::optional<Account> account, const std::string& name_or_gid) {
    if (!account) return std::nullopt;
    if (const auto number = parse_number(name_or_gid)) {
        if (*number >= std::numeric_limits<gid_t>::max()) return std::nullopt;
        account->gid = static_cast<gid_t>(*number);
        return account;
    }
    const auto gid = find_group(name_or_gid);
    if (!gid) return std::nullopt;
    account->gid = *gid;
    return account;
}

}  // namespace

std::optional<Account> vhost_account(const Config& config) {
    if (!config.identity.only_user.empty()) return find_login(config.identity.only_user);
    const auto& [user, group] = config.vhost.user;
    if (!group.empty()) return with_group(find_login(user), group);
    if (auto account = find_login(user)) return account;
    // A dot, too, may stand between user and group; but a login name may have one in it.
    const auto dot = user.rfind('.');
    return dot == user.npos ? std::nullopt
                            : with_group(find_login(user.substr(0, dot)), user.substr(dot + 1));
}

std::optional<uid_t> vhost_uid(const Config& config) try {
    const auto account = vhost_account(config);
    return account ? std::optional(account->uid) : std::nullopt;
} catch (const std::system_error&) {
    return std::nullopt;
}

std::optional<Account> virtual_mailbox_owner(const Config& config, const VirtualDomain& domain) {
    struct stat folder {};
    const std::string path = config.vhost.spool + "/" + domain.name;
    if (config.identity.only_user.empty() && ::lstat(path.c_str(), &folder) == 0 && S_ISDIR(folder.st_mode))
        if (auto owner = find_login(domain.owner); owner && owner->uid != 0 && owner->uid == folder.st_uid)
            return owner;
    return vhost_account(config);
}

UserDirectory::UserDirectory(std::string only_user) : only_user_(std::move(only_user)) {}

std::optional<Account> UserDirectory::find(const std::string& name) {
    if (!only_user_.empty())
        return equals_ignoring_case(name, only_user_) ? find_account(only_user_) : std::nullopt;

    const std::string lower = to_lower(name);
    if (auto account = find_account(lower)) return account;
    if (lower != name)
        if (auto account = find_account(name)) return account;
    refresh_index();
    const auto canonical = mixed_case_.find(lower);
    return canonical == mixed_case_.end() ? std::nullopt : find_account(canonical->second);
}

/// Only the password file is read: a directory service may have a hundred thousand names, and those that do
/// not ignore case themselves are found as they are given.
void UserDirectory::refresh_index() {
    struct stat status {};
    if (::stat(password_file, &status) != 0) throw_errno(password_file);
    const Stamp stamp{status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ino};
    if (stamp == stamp_) return;

    const Fd file = disk::open(password_file, O_RDONLY);
    const std::string text = disk::read_all(file.get(), most_password_octets);
    mixed_case_.clear();
    for (std::string_view rest = text; !rest.empty();) {
        std::string_view line = read_until(rest, '\n');
        const std::string name(read_until(line, ':'));
        std::string lower = to_lower(name);
        if (lower != name) mixed_case_.try_emplace(std::move(lower), name);
    }
    stamp_ = stamp;
}

}  // namespace postoffice
