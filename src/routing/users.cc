#include "postoffice/routing/users.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <cerrno>
#include <limits>
#include <memory>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {
namespace {

const char* const password_file = "/etc/passwd";
constexpr std::size_t most_password_octets = 64u << 20;

std::string full_name_of(const passwd& entry) {
    const std::string_view gecos = entry.pw_gecos ? entry.pw_gecos : "";
    std::string name;
    for (const char c : gecos.substr(0, gecos.find(','))) {
        if (c == '&')
            name += entry.pw_name;
        else
            name += c;
    }
    return name;
}

/// What getpwnam_r(3) returns for "no such name" is zero; but some name services say it by one of these.
bool means_not_found(int error) {
    if (error == ESRCH) return true;
    struct stat status {};  // ENOENT also says that the password file itself is gone, which is no answer
    return error == ENOENT && ::stat(password_file, &status) == 0;
}

/// Calls getpwnam_r(3) or getpwuid_r(3) with a buffer that is large enough.
template <class Lookup>
std::optional<Account> look_up_with(const Lookup& lookup, const std::string& what) {
    char small[2048];
    std::unique_ptr<char[]> large;
    char* buffer = small;
    std::size_t size = sizeof small;
    passwd entry{};
    passwd* found = nullptr;
    int error = 0;
    while ((error = lookup(&entry, buffer, size, &found)) == ERANGE && size < (1u << 20)) {
        size *= 4;
        large = std::make_unique<char[]>(size);
        buffer = large.get();
    }
    if (found) {
        const auto text = [](const char* value) { return std::string(value ? value : ""); };
        return Account{entry.pw_name,      entry.pw_uid,         entry.pw_gid,
                       text(entry.pw_dir), text(entry.pw_shell), full_name_of(entry)};
    }
    if (error == 0 || means_not_found(error)) return std::nullopt;
    throw_errno(error, "account " + printable(what));
}

std::optional<Account> look_up(const std::string& name) {
    if (name.empty() || name.find('\0') != std::string::npos) return std::nullopt;
    return look_up_with(
        [&](passwd* entry, char* buffer, std::size_t size, passwd** found) {
            return ::getpwnam_r(name.c_str(), entry, buffer, size, found);
        },
        name);
}

}  // namespace

std::optional<Account> find_login(const std::string& login_or_uid) {
    const auto number = parse_number(login_or_uid);
    if (!number) return look_up(login_or_uid);
    if (*number >= std::numeric_limits<uid_t>::max()) return std::nullopt;
    return look_up_with(
        [&](passwd* entry, char* buffer, std::size_t size, passwd** found) {
            return ::getpwuid_r(static_cast<uid_t>(*number), entry, buffer, size, found);
        },
        login_or_uid);
}

namespace {

std::optional<gid_t> find_group(const std::string& name_or_gid) {
    if (const auto number = parse_number(name_or_gid))
        return *number < std::numeric_limits<gid_t>::max() ? std::optional(static_cast<gid_t>(*number))
                                                           : std::nullopt;
    group entry{};
    group* found = nullptr;
    int error = ERANGE;
    for (std::size_t size = 4096; error == ERANGE && size <= (1u << 20); size *= 4) {
        const auto buffer = std::make_unique<char[]>(size);
        error = ::getgrnam_r(name_or_gid.c_str(), &entry, buffer.get(), size, &found);
    }
    if (found != nullptr) return entry.gr_gid;
    if (error == 0 || means_not_found(error)) return std::nullopt;
    throw_errno(error, "group " + printable(name_or_gid));
}

std::optional<Account> with_group(std::optional<Account> account, const std::string& name_or_gid) {
    const auto gid = account ? find_group(name_or_gid) : std::nullopt;
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

std::optional<Account> mailbox_keeper(const Config& config, const VirtualDomain& domain) {
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
        return equals_ignoring_case(name, only_user_) ? look_up(only_user_) : std::nullopt;

    const std::string lower = to_lower(name);
    if (auto account = look_up(lower)) return account;
    if (lower != name)
        if (auto account = look_up(name)) return account;
    refresh_index();
    const auto canonical = mixed_case_.find(lower);
    return canonical == mixed_case_.end() ? std::nullopt : look_up(canonical->second);
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
