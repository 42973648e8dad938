#include "postoffice/mail/obstacle.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "postoffice/mail/mailbox_path.h"

namespace postoffice {
namespace {

/// Nothing is said of what lies in a home: a session that may not look there would answer otherwise than
/// root's trace.
bool is_gone(const std::string& path, const Account& account) {
    if (path == account.home || path.starts_with(account.home + "/")) return false;
    struct stat status {};
    return ::stat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool is_full(const std::string& mailbox, std::uint64_t limit) {
    struct stat status {};
    return limit != 0 && ::lstat(mailbox.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           static_cast<std::uint64_t>(status.st_size) >= limit;
}

/// The program that a command begins with, where that is plain to see: not what the shell makes of it.
std::string program_of(const std::string& command) {
    const std::string word = command.substr(0, command.find_first_of(" \t"));
    const bool is_plain =
        word.starts_with('/') && word.find_first_of("'\"\\$`;&|<>()*?[]{}~#!=%") == word.npos;
    return is_plain ? word : "";
}

/// Missing folders are not made for a file or a maildir.
std::string folder_of(const Target& target, const Account& account) {
    std::string path = target.instruction;
    if (path.starts_with("./")) path = account.home + path.substr(1);
    if (path.ends_with('/')) path.pop_back();
    return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

}  // namespace

bool may_have_obstacle(const Target& target, const Config& config) {
    if (!target.domain.empty()) return false;  // its user is none of the host's
    switch (target.kind) {
        case Target::Kind::mailbox:
            return config.mailbox_size != 0 && config.local_transport.empty();
        case Target::Kind::program:
        case Target::Kind::file:
            return true;
        default:
            return false;
    }
}

std::optional<Obstacle> obstacle_to(const Target& target, const Account& account, const Config& config) {
    const Reply later{451, "4.3.5",
                      fmt::format("Mail for {} cannot be delivered now", target.address.local_part())};
    if (target.kind == Target::Kind::mailbox) {
        const std::string path = mailbox_path_of(config, account);
        if (has_mailbox_in_home(config, account) || !is_full(path, config.mailbox_size)) return std::nullopt;
        return Obstacle{{452, "4.2.2", fmt::format("The mailbox of {} is full", account.name)},
                        path + " has reached mailbox-size"};
    }
    if (target.kind == Target::Kind::program) {
        const std::string program = program_of(target.instruction.substr(1));
        if (!program.empty() && is_gone(program, account))
            return Obstacle{later, program + " does not exist"};
    }
    if (target.kind == Target::Kind::file) {
        const std::string folder = folder_of(target, account);
        if (is_gone(folder, account)) return Obstacle{later, folder + " does not exist"};
    }
    return std::nullopt;
}

}  // namespace postoffice
