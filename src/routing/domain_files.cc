#include "postoffice/routing/domain_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

constexpr std::size_t most_octets = 16u << 20;
constexpr const char* passwd = "passwd";
constexpr const char* aliases = "aliases";

Account owner_of(const VirtualDomain& domain) {
    auto account = find_login(domain.owner);
    if (!account)
        throw FormatError(fmt::format("{}: its owner {} has no account", domain.name, domain.owner));
    return std::move(*account);
}

std::string without_slash(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

/// Why it is not to be believed. What is found is all that is known of it so far: it is not open.
std::string distrust(const struct stat& file, uid_t owner, bool behind_link) {
    if (!S_ISREG(file.st_mode)) return "not a regular file";
    if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "can be written by others";
    if (file.st_uid == owner && owner != 0) return "";
    if (file.st_uid != 0) return "belongs neither to the owner of the domain nor to root";
    if (behind_link) return "a link to a file that is not the owner's";
    return file.st_nlink > 1 ? "has more than one name" : "";
}

/// A device can do things when it is opened, and a FIFO can wait: so the file is looked at first, through a
/// descriptor that opens nothing (O_PATH), and then that very file is opened.
Fd open_believed(const std::string& path, uid_t owner) {
    struct stat status {};
    Fd found(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!found && errno == ENOENT) return {};
    if (!found || ::fstat(found.get(), &status) != 0) throw_errno(path);
    const bool is_link = S_ISLNK(status.st_mode);
    if (is_link) {
        found = Fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
        if (!found || ::fstat(found.get(), &status) != 0) throw_errno(path);
    }
    if (const auto reason = distrust(status, owner, is_link); !reason.empty())
        throw FormatError(fmt::format("{}: {}", path, reason));
    // O_NONBLOCK: the owner of a file may hold a lease of it (fcntl(2)), which would have to be broken first.
    Fd file(::open(fmt::format("/proc/self/fd/{}", found.get()).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!file) throw_errno(path);
    return file;
}

}  // namespace

bool is_virtual_user_name(std::string_view name) {
    if (name.empty() || name.size() > most_virtual_name || name.front() == '.' || name.front() == '-')
        return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return c > ' ' && c < 0x7f && std::string_view("/:@*\"\\<>(),;").find(c) == std::string_view::npos;
    });
}

std::optional<VirtualUser> parse_virtual_user(std::string_view line) {
    line = trim(without_byte_order_mark(line));  // which the first line may have
    if (line.empty() || line.front() == '#') return std::nullopt;
    const auto fields = split(line, ':');
    if ((fields.size() != 2 && fields.size() != 7) || !is_virtual_user_name(fields[0])) return std::nullopt;
    VirtualUser user{std::string(fields[0]), std::string(fields[1])};
    if (fields.size() == 7) {
        user.uid = fields[2];
        user.home = fields[5];
    }
    return user;
}

StoredPassword password_of(const VirtualUser& user) {
    return parse_stored_password(user.hash, !user.uid.empty());
}

UserIdentity identity_of(const VirtualUser& user, const Account& owner, std::optional<uid_t> mailbox_owner) {
    if (user.uid.empty()) return UserIdentity::in_domain;
    const auto uid = parse_number(user.uid);
    if (!uid || *uid == 0) return UserIdentity::refused;
    if (*uid != owner.uid)
        return mailbox_owner && *uid == *mailbox_owner ? UserIdentity::in_domain : UserIdentity::refused;
    const bool is_owner = user.home.starts_with('/') && without_slash(user.home) == without_slash(owner.home);
    return is_owner ? UserIdentity::owner : UserIdentity::in_domain;
}

Fd open_domain_file(const std::string& folder, const VirtualDomain& domain, const std::string& name) {
    return open_believed(folder + "/" + name, owner_of(domain).uid);
}

std::vector<VirtualUser> read_virtual_users(int passwd_file) {
    const std::string text = disk::read_all(passwd_file, most_octets);
    std::vector<VirtualUser> users;
    for (std::string_view rest = text; !rest.empty();)
        if (auto user = parse_virtual_user(read_until(rest, '\n'))) users.push_back(std::move(*user));
    return users;
}

std::optional<VirtualUser> read_virtual_user(int passwd_file, std::string_view name) {
    const std::string text = disk::read_all(passwd_file, most_octets);
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view line = read_until(rest, '\n');
        // The rest of a line is looked at if it may be the one: a domain may have thousands.
        std::string_view fields = trim(without_byte_order_mark(line));
        if (!equals_ignoring_case(read_until(fields, ':'), name)) continue;
        if (auto user = parse_virtual_user(line)) return user;
    }
    return std::nullopt;
}

const VirtualUser* find_virtual_user(const std::vector<VirtualUser>& users, std::string_view name) {
    const auto found = std::find_if(users.begin(), users.end(), [&](const VirtualUser& user) {
        return equals_ignoring_case(user.name, name);
    });
    return found == users.end() ? nullptr : &*found;
}

DomainFiles::DomainFiles(std::string folder, VirtualDomain domain, std::optional<uid_t> mailbox_owner)
    : folder_(std::move(folder)), domain_(std::move(domain)), mailbox_owner_(mailbox_owner) {}

DomainEntry DomainFiles::look_up(const std::string& name) try {
    refresh();
    const std::string lower = to_lower(name);
    DomainEntry entry;
    if (const auto user = users_.find(lower); user != users_.end()) {
        const User& found = user->second;
        if (found.standing == UserIdentity::refused)
            throw FormatError(fmt::format(
                "{}/{}:{}: the uid of {} is neither the owner's nor one that a virtual user may have",
                folder_, passwd, found.line, found.name));
        entry.user = found.name;
        entry.is_owner = found.standing == UserIdentity::owner;
    }
    if (const auto alias = aliases_.find(lower); alias != aliases_.end()) {
        const AliasEntry& found = alias->second;
        if (!found.problem.empty())
            return {DomainEntry::Status::temporary,
                    {},
                    {},
                    fmt::format("{}/{}:{}: {}", folder_, aliases, found.line, found.problem)};
        entry.alias = found.value;
        entry.alias_line = found.line;
    }
    return entry;
} catch (const std::system_error& error) {
    const int number = error.code().value();
    const bool may_not = number == EACCES || number == EPERM;
    return {
        may_not ? DomainEntry::Status::no_permission : DomainEntry::Status::temporary, {}, {}, error.what()};
} catch (const std::exception& error) {
    return {DomainEntry::Status::temporary, {}, {}, in_plain_words(error)};
}

FileStamp DomainFiles::stamp_of(const char* name) const {
    struct stat status {};
    const std::string path = folder_ + "/" + name;
    if (::stat(path.c_str(), &status) == 0) return FileStamp::of(status);
    if (errno != ENOENT) throw_errno(path);
    return {};
}

/// A file that is being changed while it is read has another stamp afterwards, and is read again.
void DomainFiles::refresh() {
    const FileStamp users = stamp_of(passwd);
    if (users_stamp_ != users) {
        users_stamp_.reset();
        read_users();
        users_stamp_ = users;
    }
    const FileStamp names = stamp_of(aliases);
    if (aliases_stamp_ != names) {
        aliases_stamp_.reset();
        read_aliases();
        aliases_stamp_ = names;
    }
    if (users.inode != 0 || names.inode != 0) return;
    struct stat status {};
    if (::stat(folder_.c_str(), &status) != 0)
        throw_errno(folder_);  // a missing folder says nothing of its users
}

void DomainFiles::read_users() {
    users_.clear();
    const Fd file = open_domain_file(folder_, domain_, passwd);
    if (!file) return;
    const Account owner = owner_of(domain_);
    const std::string text = disk::read_all(file.get(), most_octets);
    unsigned line = 0;
    for (std::string_view rest = text; !rest.empty();) {
        ++line;
        if (const auto user = parse_virtual_user(read_until(rest, '\n')))  // of two with one name the first
            users_.try_emplace(to_lower(user->name),
                               User{user->name, identity_of(*user, owner, mailbox_owner_), line});
    }
}

void DomainFiles::read_aliases() {
    aliases_.clear();
    const Fd file = open_domain_file(folder_, domain_, aliases);
    if (!file) return;
    const std::string path = fmt::format("{}/{}", folder_, aliases);
    RepeatedEvent broken("alias-broken", {"file", path});
    for (AliasEntry& entry : parse_alias_file(disk::read_all(file.get(), most_octets))) {
        if (!entry.problem.empty())
            broken.log({{"file", path}, {"line", std::to_string(entry.line)}, {"reason", entry.problem}});
        aliases_.try_emplace(entry.name, std::move(entry));
    }
}

std::vector<IncludeLine> read_domain_include(const VirtualDomain& domain, const std::string& path) {
    const uid_t owner = owner_of(domain).uid;
    const Fd file = open_believed(path, owner);
    struct stat status {};
    if (!file) throw_errno(ENOENT, path);
    if (::fstat(file.get(), &status) != 0) throw_errno(path);
    if (status.st_uid != owner) throw FormatError(path + ": does not belong to the owner of the domain");
    return include_lines(disk::read_all(file.get(), most_octets));
}

}  // namespace postoffice
