#include "postoffice/routing/availability.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "postoffice/routing/mailbox_path.h"

namespace postoffice {
namespace {

/// Nothing is said of what lies in a home: a session that may not look there would answer otherwise than
/// root's trace.
bool is_private(const std::string& path, const Account& account) {
    return path == account.home || path.starts_with(account.home + "/");
}

/// Only what every account can see.
bool is_gone(const std::string& path, const Account& account) {
    if (is_private(path, account)) return false;
    struct stat status {};
    return ::stat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

using Status = MailboxState::Status;

// Replies name no mailbox: it can belong to a user that another one privately forwards mail to.

Unavailable full(const std::string& path) {
    return {{452, "4.2.2", "The mailbox is full"}, path + " has reached mailbox-size"};
}

/// What an agent that finds it so would say.
MailboxState unfit(std::string_view why, const std::string& path) {
    return {Status::unavailable, {{451, "4.2.0", std::string(why)}, fmt::format("{}: {}", path, why)}};
}

MailboxState not_found() {
    return {errno == ENOENT ? Status::takes_mail : Status::no_permission, {}};
}

/// `path`: a maildir if it ends with '/'. One that is not there will be made.
MailboxState look_at_mailbox(std::string path, std::optional<uid_t> owner, std::uint64_t limit) {
    const bool is_maildir = path.ends_with('/');
    if (is_maildir) path.pop_back();
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return not_found();
    const auto why = is_maildir ? unfit_as_maildir(status, owner) : unfit_as_mbox(status, owner);
    if (!why.empty()) return unfit(why, path);
    if (!is_maildir && limit != 0 && static_cast<std::uint64_t>(status.st_size) >= limit)
        return {Status::unavailable, full(path)};
    return {};
}

/// The program that a command begins with, where that is plain to see: not what the shell makes of it.
std::string program_of(const std::string& command) {
    const std::string word = command.substr(0, command.find_first_of(" \t"));
    const bool is_plain =
        word.starts_with('/') && word.find_first_of("'\"\\$`;&|<>()*?[]{}~#!=%") == word.npos;
    return is_plain ? word : "";
}

/// Missing folders are not made for a file or a maildir.
std::string folder_of(const Destination::File& file, const Account& account) {
    std::string path = path_from_home(file.path, account.home);
    if (path.ends_with('/')) path.pop_back();
    return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

/// Certain, whatever groups the account is in, and whatever an access list says: that has its bounds in the
/// bits of the group.
bool may_surely_not_write(const struct stat& folder, uid_t account) {
    if (account == 0) return false;
    const mode_t needed = folder.st_uid == account ? S_IWUSR : S_IWGRP | S_IWOTH;
    return (folder.st_mode & needed) == 0;
}

std::optional<std::string> obstacle_to_file(const Destination::File& file, const Account& account) {
    const std::string folder = folder_of(file, account);
    if (is_private(folder, account)) return std::nullopt;
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return folder + " does not exist";
        return std::nullopt;
    }
    const auto state = look_at_mailbox(file.path, account.uid, 0);
    if (state.status == Status::unavailable) return state.unavailable.detail;
    const bool must_be_made = ::access(file.path.c_str(), F_OK) != 0 && errno == ENOENT;
    if (must_be_made && may_surely_not_write(status, account.uid))
        return fmt::format("{} cannot be written by {}", folder, account.name);
    return std::nullopt;
}

}  // namespace

std::optional<Unavailable> MailboxState::known() const {
    return status == Status::unavailable ? std::optional(unavailable) : std::nullopt;
}

bool may_be_unavailable(const Destination& destination, const Config& config) {
    if (destination.is_mailbox()) return config.local.mailbox_size != 0 && !config.local.transport;
    return destination.is<Destination::Program>() || destination.is<Destination::File>();
}

std::optional<Unavailable> why_unavailable(const Destination& destination, const Account& account,
                                           const Config& config) {
    const auto later = [&](std::string detail) {
        return Unavailable{{451, "4.3.5", "The mail cannot be delivered now"}, std::move(detail)};
    };
    if (destination.is<Destination::Mailbox>()) {
        if (has_mailbox_in_home(config, account)) return std::nullopt;
        return look_at_mailbox(mailbox_path_of(config, account), account.uid, config.local.mailbox_size)
            .known();
    }
    const auto* file = destination.as<Destination::File>();
    const auto* program = destination.as<Destination::Program>();
    if (file == nullptr && program == nullptr) return std::nullopt;
    if (config.identity.only_user.empty() && (account.uid == 0 || account.gid == 0))
        return later("nothing is run or written as root");
    if (file != nullptr) {
        if (auto detail = obstacle_to_file(*file, account)) return later(std::move(*detail));
        return std::nullopt;
    }
    const std::string path = program_of(program->command);
    if (!path.empty() && is_gone(path, account)) return later(path + " does not exist");
    return std::nullopt;
}

std::optional<Unavailable> obstacle_to_domain_folder(const Config& config, uid_t owner,
                                                     const std::string& domain) {
    struct stat status {};
    const std::string& spool = config.vhost.spool;
    if (::lstat((spool + "/" + domain).c_str(), &status) == 0 || errno != ENOENT) return std::nullopt;
    const auto obstacle = [](std::string detail) {
        return Unavailable{{451, "4.3.0", "Local delivery is not possible now"}, std::move(detail)};
    };
    if (::stat(spool.c_str(), &status) != 0)
        return errno == ENOENT ? std::optional(obstacle(spool + " does not exist")) : std::nullopt;
    if (!may_surely_not_write(status, owner)) return std::nullopt;
    return obstacle(fmt::format("the owner of mailboxes of {} cannot write to {}", domain, spool));
}

MailboxState check_virtual_mailbox(const Config& config, uid_t owner, const std::string& user,
                                   const std::string& domain) {
    if (auto obstacle = obstacle_to_domain_folder(config, owner, domain))
        return {Status::unavailable, std::move(*obstacle)};
    struct stat status {};
    const std::string folder = config.vhost.spool + "/" + domain;
    if (::lstat(folder.c_str(), &status) != 0) return not_found();
    if (const auto why = unfit_as_domain_folder(status, owner); !why.empty()) return unfit(why, folder);
    return look_at_mailbox(virtual_mailbox_path(config, user, domain), owner, config.local.mailbox_size);
}

}  // namespace postoffice
