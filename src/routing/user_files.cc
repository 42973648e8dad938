#include "postoffice/routing/user_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/delivery_file.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

using FileStatus = UserFile::Status;

/// Domains of which the files are kept in memory. Beyond that all are dropped: slow, but bounded.
constexpr std::size_t most_domains = 5000;

/// Accounts without a home have this one (Debian Policy section 9.2.3; the BSDs as well): nothing is
/// missing there.
constexpr std::string_view home_of_nobody = "/nonexistent";

/// Why the file must not be believed: another user could have written it.
std::string distrust(const struct stat& file, const struct stat& home, const Account& account) {
    if (!S_ISREG(file.st_mode)) return "not a regular file";
    if (file.st_uid != account.uid && file.st_uid != 0) return "belongs to another user";
    if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "can be written by others";
    if (file.st_nlink > 1) return "has more than one name";
    if (home.st_uid != account.uid && home.st_uid != 0) return "the home belongs to another user";
    if ((home.st_mode & S_IWOTH) != 0) return "the home can be written by all users";
    return "";
}

/// A home that is not there, or not mounted, says nothing about what its owner wants.
UserFile look_at_home(const Account& account, struct stat& home) {
    if (::stat(account.home.c_str(), &home) == 0) return {};
    if (errno == EACCES || errno == EPERM) return {FileStatus::no_permission, account.home, "", ""};
    if (errno == ENOENT || errno == ENOTDIR)
        return {FileStatus::ignored, account.home, "", "there is no home"};
    return {FileStatus::temporary, account.home, "", std::generic_category().message(errno)};
}

bool belongs_to_another(const std::string& path, const Account& account) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && status.st_uid != account.uid && status.st_uid != 0;
}

UserFile read_one(const Account& account, const struct stat& home, const std::string& path) try {
    // O_NONBLOCK: a FIFO must not hold us; O_NOFOLLOW: a link can lead to a file of
    // another owner.
    const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC));
    if (!file) {
        switch (errno) {
            case ENOENT:
            case ENOTDIR:
                return {};
            case EACCES:
            case EPERM:
                return belongs_to_another(path, account)
                           ? UserFile{FileStatus::ignored, path, "", "belongs to another user"}
                           : UserFile{FileStatus::no_permission, path, "", ""};
            case ELOOP:
                return {FileStatus::ignored, path, "", "a symbolic link"};
            case ENXIO:
                return {FileStatus::ignored, path, "", "not a regular file"};
            default:
                throw_errno(path);
        }
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw_errno(path);
    if (auto reason = distrust(status, home, account); !reason.empty())
        return {FileStatus::ignored, path, "", std::move(reason)};
    return {FileStatus::found, path, disk::read_all(file.get(), most_delivery_file_octets), ""};
} catch (const std::system_error& error) {
    return {FileStatus::temporary, path, "", error.code().message()};
}

/// An extension is part of a file's name: nothing in it may lead elsewhere.
bool can_be_in_a_name(const std::string& extension) {
    return !extension.empty() && extension.find('/') == extension.npos && extension.size() < 200 &&
           printable(extension) == extension;
}

/// ".qmail-a-b", ".qmail-a-default", ".qmail-default"; dot-qmail(5).
void add_qmail_names(std::vector<std::string>& names, const std::string& extension) {
    names.push_back(qmail_name(extension));
    for (auto end = extension.rfind('-'); end != std::string::npos && end > 0;
         end = extension.rfind('-', end - 1))
        names.push_back(qmail_name(extension.substr(0, end) + "-default"));
    names.push_back(qmail_name("default"));
}

/// In dot-qmail's world an extension that no file mentions is no address.
std::vector<std::string> delivery_file_names(const std::string& user, const Config& config,
                                             const std::string& extension) {
    std::vector<std::string> names;
    const bool is_usable = can_be_in_a_name(extension);
    for (const std::string& name : config.routing.delivery_files) {
        if (name == ".qmail") {
            if (is_usable) add_qmail_names(names, extension);
            if (extension.empty()) names.push_back(name);
        } else if (extension.empty() || user != qmail_alias_account) {
            for (const char delimiter : is_usable ? config.routing.recipient_delimiter : "")
                names.push_back(name + delimiter + extension);
            names.push_back(name);
        }
    }
    return names;
}

}  // namespace

UserFile read_user_file(const Account& account, const std::vector<std::string>& names) {
    if (names.empty() || account.home == home_of_nobody) return {};
    if (!account.home.starts_with('/')) return {FileStatus::ignored, account.home, "", "there is no home"};
    struct stat home {};
    if (auto file = look_at_home(account, home); file.status != FileStatus::none) return file;
    for (const std::string& name : names)
        if (auto file = read_one(account, home, account.home + "/" + name); file.status != FileStatus::none)
            return file;
    return {};
}

std::string qmail_name(std::string_view extension) {
    std::string name = ".qmail-" + std::string(extension);
    std::replace(name.begin() + 1, name.end(), '.', ':');
    return name;
}

Address qmail_owner_address(const Address& list, const std::optional<Address>& to) {
    const std::string owner = list.local_part() + "-owner";
    if (!to) return Address(owner, list.domain());
    return Address(owner + "-" + to->local_part() + "=" + to->domain(), list.domain());
}

std::vector<std::string> names_of(const std::string& user, const WantedFile& wanted, const Config& config) {
    if (wanted.alias_file.empty()) return delivery_file_names(user, config, wanted.extension);
    for (const UserMap& map : config.routing.usermaps)
        for (const std::string& target : map.targets)
            if (target == "~/" + wanted.alias_file) return {wanted.alias_file};
    return {};
}

DeliveryDialect dialect_of(const std::string& path) {
    const auto name = path.substr(path.rfind('/') + 1);
    return name.starts_with(".qmail") ? DeliveryDialect::qmail : DeliveryDialect::forward;
}

std::vector<ExtendedName> extended_names(std::string_view local_part, const std::string& delimiters) {
    constexpr std::size_t most = 8;
    std::vector<ExtendedName> names;
    if (delimiters.empty()) return names;
    for (auto at = local_part.find_first_of(delimiters, 1);
         at < local_part.size() && at + 1 < local_part.size() && names.size() < most;
         at = local_part.find_first_of(delimiters, at + 1))
        names.push_back({std::string(local_part.substr(0, at)), std::string(local_part.substr(at + 1))});
    std::reverse(names.begin(), names.end());
    return names;
}

std::string extension_for(const std::string& user, std::string_view local_part, const Config& config) {
    if (equals_ignoring_case(user, local_part)) return "";
    const auto names = extended_names(local_part, config.routing.recipient_delimiter);
    for (const ExtendedName& name : names)
        if (equals_ignoring_case(name.user, user)) return name.extension;
    return user == qmail_alias_account ? std::string(local_part) : "";
}

DomainEntry DirectUserFiles::domain_entry(const std::string& folder, const VirtualDomain& domain,
                                          const std::string& name) {
    const std::string key = domain.owner + ":" + folder;
    auto files = domains_.find(key);
    if (files == domains_.end()) {
        if (domains_.size() >= most_domains) domains_.clear();
        files = domains_.emplace(key, DomainFiles(folder, domain, vhost_uid(config_))).first;
    }
    return files->second.look_up(name);
}

MailboxState DirectUserFiles::virtual_mailbox(const std::string& user, const VirtualDomain& domain) try {
    const auto keeper = virtual_mailbox_owner(config_, domain);
    if (!keeper)
        return {MailboxState::Status::unavailable,
                {{451, "4.3.5", "The mail cannot be delivered now"},
                 "vhost-user=" + config_.vhost.user.to_string()}};
    return check_virtual_mailbox(config_, keeper->uid, user, domain.name);
} catch (const std::exception&) {
    return {MailboxState::Status::no_permission, {}};
}

UserFile DirectUserFiles::find(const Account& account, const WantedFile& wanted) {
    return read_user_file(account, names_of(account.name, wanted, config_));
}

}  // namespace postoffice
