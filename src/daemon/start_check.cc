#include "postoffice/daemon/start_check.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "postoffice/base/accounts.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/text.h"
#include "postoffice/base/trigger.h"
#include "postoffice/config/build.h"
#include "postoffice/config/config_file.h"
#include "postoffice/daemon/bind_listener.h"
#include "postoffice/daemon/key_keeper.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/net/tls.h"
#include "postoffice/net/tls_key.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

std::string error_text(int error) {
    return std::strerror(error);
}

class Checker {
  public:
    Checker(const LoadedConfig& loaded, const std::vector<GivenSocket>* given)
        : loaded_(loaded),
          config_(loaded.config),
          given_(given),
          is_server_(::geteuid() == 0 || !loaded.config.identity.only_user.empty()) {}

    StartCheck run() {
        check_kernel();
        if (config_.identity.only_user.empty()) check_accounts();
        check_folders();
        check_spool();
        check_log();
        check_tls();
        check_coal_command();
        check_own_file();
        check_ports();
        return std::move(check_);
    }

  private:
    void problem(std::string_view option, const std::string& text) {
        check_.problems.push_back({78, fmt::format("{}: {}: {}", where(option), option, text)});
    }

    /// The line that set the option; the file, if none did.
    std::string where(std::string_view option) const {
        for (const SetOption& set : loaded_.set)
            if (set.option->name == option) return set.where;
        return config_.file.empty() ? "configuration" : config_.file;
    }

    /// EACCES: this process has no right to see it. The server would.
    void missing_right_or_problem(std::string_view option, const std::string& path, int error) {
        if (!is_server_ && (error == EACCES || error == EPERM))
            check_.unchecked.push_back(fmt::format("{}: {}", option, path));
        else
            problem(option, fmt::format("{}: {}", path, error_text(error)));
    }

    // /proc/self/fd leads agents to what they were given as a descriptor.
    void check_kernel() {
        if (::access("/proc/self/fd", X_OK) != 0)
            check_.problems.push_back(
                {78, "/proc is not mounted here: no mail could be delivered without it"});
    }

    void check_accounts() {
        check_account("user", config_.identity.user, [&] { return find_login(config_.identity.user); });
        check_account("alias-user", config_.routing.alias_user,
                      [&] { return find_login(config_.routing.alias_user); });
        if (!config_.vhost.dir.empty())
            check_account("vhost-user", config_.vhost.user.to_string(),
                          [&] { return vhost_account(config_); });
        for (const std::string& user : config_.submission.trusted_users) check_account_or_group(user);
    }

    void check_account_or_group(const std::string& name) try {
        if (!find_account(name) && !find_group(name))
            check_.notices.push_back(fmt::format("trusted-users: there is no account or group {}", name));
    } catch (const std::system_error& error) {
        problem("trusted-users", error.code().message());
    }

    template <class Find>
    void check_account(std::string_view option, const std::string& name, const Find& find) try {
        const std::optional<Account> account = find();
        if (!account)
            problem(option, fmt::format("there is no account {}", name));
        else if (account->uid == 0 || account->gid == 0)
            problem(option, fmt::format("{} has the rights of root, which mail must never have", name));
    } catch (const std::system_error& error) {
        problem(option, error.code().message());
    }

    /// `remedy`: what makes a folder that is not there.
    void check_folder(std::string_view option, const std::string& path, const char* remedy = nullptr) {
        struct stat status {};
        const int error = ::stat(path.c_str(), &status) == 0 ? 0 : errno;
        if (error == ENOENT && remedy != nullptr)
            problem(option, fmt::format("{}: {}; {}", path, error_text(error), remedy));
        else if (error != 0)
            missing_right_or_problem(option, path, error);
        else if (!S_ISDIR(status.st_mode))
            problem(option, fmt::format("{} is not a folder", path));
    }

    /// A file or folder that is made when it is needed.
    void check_place(std::string_view option, const std::string& path) {
        struct stat status {};
        if (::stat(path.c_str(), &status) == 0) return;
        const std::string folder = parent_of(path);
        if (errno != ENOENT)
            missing_right_or_problem(option, path, errno);
        else if (::access(folder.c_str(), W_OK | X_OK) != 0)
            missing_right_or_problem(option, folder, errno);
    }

    void check_folders() {
        if (config_.local.home_mailbox.empty() && !config_.local.transport)
            check_folder("mail-dir", config_.local.mail_dir);
        // What the build chose need not be used.
        if (config_.vhost.dir != default_vhost_dir())
            check_folder("vhost-dir", config_.vhost.dir, "'vdomain create' makes it with the first domain");
        if (config_.greylist.enabled) check_db_dir();
        struct stat status {};
        if (config_.routing.aliases != find_option("aliases")->fallback &&
            ::stat(config_.routing.aliases.c_str(), &status) != 0)
            check_.notices.push_back(
                fmt::format("aliases={}: {}", config_.routing.aliases, error_text(errno)));
    }

    /// A server starts without: then there is mail, but no greylist.
    void check_db_dir() {
        const std::string& path = config_.greylist.db_dir;
        check_place("db-dir", path);
        if (::geteuid() != 0 || !config_.identity.only_user.empty() || !check_.problems.empty()) return;
        if (::access(path.c_str(), F_OK) == 0 && !service_can(service_identity(config_), path, W_OK | X_OK))
            check_.notices.push_back(
                fmt::format("db-dir: {} cannot write to {}: no greylist", config_.identity.user, path));
    }

    void check_spool() {
        struct stat status {};
        if (::stat(config_.queue.dir.c_str(), &status) == 0)
            check_folder("queue-dir", config_.queue.dir);
        else
            check_place("queue-dir", config_.queue.dir);
        if (!config_.queue.control.starts_with(config_.queue.dir + "/"))
            check_folder("control", parent_of(config_.queue.control));
        if (::geteuid() != 0 || config_.identity.only_user != "" || !check_.problems.empty()) return;
        const std::string drop = Spool(config_.queue.dir).drop_directory();
        const bool is_there = ::lstat(drop.c_str(), &status) == 0;
        if (is_there && !S_ISDIR(status.st_mode))
            problem("queue-dir", fmt::format("{} is not a folder", drop));
        else if (is_there && !ordinary_users_can(service_identity(config_), drop, W_OK | X_OK))
            problem("queue-dir",
                    fmt::format("users cannot put mail into {}: its group must be that of {}, which may "
                                "write there, and the folders above must let that group pass",
                                drop, config_.identity.user));
    }

    void check_log() {
        if (config_.log.destination == "syslog" || config_.log.destination == "stderr") return;
        struct stat status {};
        if (::stat(config_.log.destination.c_str(), &status) != 0)
            check_place("log", config_.log.destination);
        else if (S_ISDIR(status.st_mode))
            problem("log", fmt::format("{} is a folder", config_.log.destination));
        else if (::access(config_.log.destination.c_str(), W_OK) != 0)
            missing_right_or_problem("log", config_.log.destination, errno);
    }

    void check_tls() {
        if (config_.tls.certificate.empty()) return;
        for (const std::string& file : {config_.tls.certificate, config_.tls.key})
            if (!is_server_ && ::access(file.c_str(), R_OK) != 0 && errno == EACCES)
                return check_.unchecked.push_back(fmt::format("tls-certificate: {}", file));
        try {
            check_key_pair(config_.tls.certificate, config_.tls.key);
        } catch (const FormatError& error) {
            problem("tls-certificate", error.what());
        }
        if (const auto exposure = exposure_of_key(config_.tls)) check_.notices.push_back(*exposure);
    }

    void check_coal_command() {
        const std::string& program = config_.limits.coal_command;
        if (program.empty()) return;
        const auto file = find_trusted_file(program, ::geteuid());
        if (file.exit_code != 0)
            problem("coal-command", file.problem.starts_with(program)
                                        ? file.problem
                                        : fmt::format("{} {}", program, file.problem));
        else if (::access(program.c_str(), X_OK) != 0)
            problem("coal-command", fmt::format("{}: {}", program, error_text(errno)));
    }

    /// Users' sendmail reads the default file itself.
    void check_own_file() {
        if (config_.file.empty() || config_.file_was_asked_for || ::geteuid() != 0) return;
        if (!check_.problems.empty() || ordinary_users_can(service_identity(config_), config_.file, R_OK))
            return;
        check_.problems.push_back(
            {78, fmt::format("{}: users cannot read it, so their sendmail would fail: chmod 644 {}",
                             config_.file, config_.file)});
    }

    void check_ports() {
        for (const ListenAddress& listen : config_.network.ports()) {
            if (is_given(listen)) continue;
            const auto unavailable = bind_problem(listen);
            if (!unavailable) continue;
            const bool may_be_given = given_ == nullptr && ::geteuid() == 0;
            if (unavailable->error == EACCES && may_be_given)
                check_.notices.push_back(
                    fmt::format("listen: {} is for a service manager to bind, this process may not",
                                unavailable->endpoint));
            else if (!is_server_ && unavailable->error == EACCES)
                check_.unchecked.push_back(fmt::format("listen: {}", unavailable->endpoint));
            else if (unavailable->error != EADDRINUSE)
                problem("listen",
                        fmt::format("{}: {}", unavailable->endpoint, error_text(unavailable->error)));
            else if (!is_served(config_.queue.control))
                check_.notices.push_back(
                    fmt::format("listen: another program uses {} now", unavailable->endpoint));
        }
    }

    bool is_given(const ListenAddress& listen) const {
        return given_ != nullptr && std::any_of(given_->begin(), given_->end(),
                                                [&](const auto& one) { return serves(one, listen); });
    }

    const LoadedConfig& loaded_;
    const Config& config_;
    const std::vector<GivenSocket>* given_;
    const bool is_server_;  ///< has the rights that the server will have
    StartCheck check_;
};

}  // namespace

StartCheck check_start(const LoadedConfig& loaded, const std::vector<GivenSocket>* given) {
    return Checker(loaded, given).run();
}

}  // namespace postoffice
