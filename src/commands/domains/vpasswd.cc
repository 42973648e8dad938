// vpasswd: users of virtual domains and their passwords.
#include <fmt/format.h>
#include <getopt.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "domain_edits.h"
#include "domain_tool.h"
#include "one_home.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/commands/line/read_secret.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/routing/domain_files.h"

namespace postoffice {
namespace {

struct UserTask {
    enum class Kind { change, add, remove, lock, unlock, list, undo } kind = Kind::change;
    std::optional<std::string> config_file;
    std::string name;  ///< USER@DOMAIN, or DOMAIN
};

constexpr const char* vpasswd_usage =
    "usage: vpasswd [-C file] [-a | -d | -l | -u] user@domain\n"
    "       vpasswd [-C file] -s | --undo domain\n";

UserTask::Kind kind_of(char letter) {
    using Kind = UserTask::Kind;
    switch (letter) {
        case 'a':
            return Kind::add;
        case 'd':
            return Kind::remove;
        case 'l':
            return Kind::lock;
        case 'u':
            return Kind::unlock;
        case 's':
            return Kind::list;
        default:
            return Kind::undo;
    }
}

bool read_arguments(int argc, char** argv, UserTask& task) {
    int kinds = 0;
    const auto on_letter = [&](char letter) {
        task.kind = kind_of(letter);
        ++kinds;
    };
    if (!read_tool_options(argc, argv, "C:adlus", task.config_file, on_letter)) return false;
    if (kinds > 1 || ::optind + 1 != argc) return false;
    task.name = argv[::optind];
    return true;
}

/// Typed twice at a terminal; otherwise the first line of what comes in.
std::string read_hash() {
    std::string password = read_secret("New password: ");
    if (::isatty(STDIN_FILENO) == 1) {
        std::string again = read_secret("Once more: ");
        const bool same = password == again;
        wipe(again);
        if (!same) throw ToolFailure{EX_DATAERR, "these are two different passwords; nothing is changed"};
    }
    if (password.empty()) throw ToolFailure{EX_DATAERR, "no password; nothing is changed"};
    if (password.size() > longest_new_password) throw ToolFailure{EX_DATAERR, "the password is too long"};
    std::string hash = hash_password(password);
    wipe(password);
    return hash;
}

std::string locked(const std::string& hash, bool lock) {
    if (!lock) return hash.substr(hash.starts_with('!') ? 1 : 0);
    return hash.starts_with('!') ? hash : "!" + hash;
}

std::optional<VirtualUser> user_in(std::string_view text, const std::string& name) {
    while (!text.empty())
        if (auto user = parse_virtual_user(read_until(text, '\n'));
            user && equals_ignoring_case(user->name, name))
            return user;
    return std::nullopt;
}

/// What is special about a password, in words; "" for a hash.
std::string_view remark_on(const StoredPassword& stored) {
    if (stored.is_locked) return " (locked)";
    if (stored.kind == StoredPassword::Kind::plain) return " (password in plain text)";
    return stored.has_hash() ? "" : " (no password that is known here)";
}

void list(std::string_view text) {
    while (!text.empty())
        if (const auto user = parse_virtual_user(read_until(text, '\n')))
            print_output("{}{}\n", user->name, remark_on(password_of(*user)));
}

void change_users(const UserTask& task, const DomainFolder& folder, const std::string& name) {
    using Kind = UserTask::Kind;
    // Before the lock is taken: people take their time.
    const bool needs_password = task.kind == Kind::change || task.kind == Kind::add;
    const std::string hash = needs_password ? read_hash() : "";

    ChangedFile file(folder.path, "passwd", folder.rights);
    if (task.kind == Kind::undo) file.undo();
    if (task.kind == Kind::list) list(file.text());
    if (name.empty()) return;

    const auto user = user_in(file.text(), name);
    if (task.kind == Kind::add && user)
        throw ToolFailure{EX_CANTCREAT, fmt::format("{} is there already", task.name)};
    if (task.kind != Kind::add && !user)
        throw ToolFailure{EX_NOUSER, fmt::format("{} is not there", task.name)};
    if (task.kind == Kind::remove)
        file.replace(without_user(file.text(), name).value());
    else
        file.replace(with_user(file.text(), name,
                               needs_password ? hash : locked(user->hash, task.kind == Kind::lock)));
}

int carry_out(const UserTask& task) {
    using Kind = UserTask::Kind;
    const bool whole = task.kind == Kind::list || task.kind == Kind::undo;
    const VirtualName name = whole ? VirtualName{"", task.name} : parse_virtual_name(task.name);
    const Config config = config_for_tool(task.config_file);
    const VirtualDomain domain = find_domain(config, name.domain);
    const DomainFolder folder = act_as_owner(config, domain);
    change_users(task, folder, name.user);
    if (task.kind == Kind::add) enter_in_home(config, domain, folder, name.user);
    if (task.kind == Kind::remove) leave_home(config, domain, folder, name.user);
    return EX_OK;
}

}  // namespace

int vpasswd(int argc, char** argv) {
    return run_domain_tool<UserTask>({"vpasswd", vpasswd_usage, read_arguments, carry_out}, argc, argv);
}

}  // namespace postoffice
