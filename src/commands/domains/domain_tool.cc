#include "domain_tool.h"

#include <fmt/format.h>
#include <getopt.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>

#include "postoffice/base/error.h"
#include "postoffice/base/output.h"
#include "postoffice/base/privileges.h"
#include "postoffice/base/text.h"
#include "postoffice/config/options.h"
#include "postoffice/config/values.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {

int run_domain_tool(const char* name, const std::function<int()>& body) {
    const auto complain = [name](int exit_code, const std::string& text) {
        print_error("{}: {}\n", name, printable(text));
        return exit_code;
    };
    try {
        const int exit_code = body();
        return exit_code;
    } catch (const ToolFailure& failure) {
        return complain(failure.exit_code, failure.text);
    } catch (const FormatError& error) {
        return complain(EX_DATAERR, error.what());
    } catch (const Timeout& error) {
        return complain(EX_TEMPFAIL, error.what());
    } catch (const std::system_error& error) {
        return complain(error.code().value() == EACCES ? EX_NOPERM : EX_OSERR, error.what());
    }
}

int show_usage(const char* usage, int exit_code) {
    write_text(exit_code == EX_OK ? stdout : stderr, usage);
    return exit_code;
}

bool read_tool_options(int argc, char** argv, const char* letters, std::optional<std::string>& config_file,
                       const std::function<void(char letter)>& on_letter) {
    const option long_options[] = {{"undo", no_argument, nullptr, 'U'}, {nullptr, 0, nullptr, 0}};
    ::optind = 1;
    for (int c = 0; (c = ::getopt_long(argc, argv, letters, long_options, nullptr)) != -1;) {
        if (c == '?') return false;
        if (c == 'C')
            config_file = ::optarg;
        else
            on_letter(static_cast<char>(c));
    }
    return true;
}

Config config_for_tool(const std::optional<std::string>& file) {
    LoadedConfig loaded = load_config(config_source(file, {}));
    if (!loaded.problems.empty())
        throw ToolFailure{loaded.problems.front().exit_code, loaded.problems.front().text};
    if (loaded.config.vhost.dir.empty())
        throw ToolFailure{EX_CONFIG, "there are no virtual domains here: vhost-dir= is not set"};
    return std::move(loaded.config);
}

VirtualDomain find_domain(const Config& config, const std::string& name) {
    const auto checked = parse_domain(name.substr(name.starts_with('.') ? 1 : 0));
    if (!checked) throw ToolFailure{EX_DATAERR, checked.problem()};
    DomainTable domains(config.vhost.dir);
    domains.refresh();
    const VirtualDomain* domain = domains.find_line(*checked);
    if (domain == nullptr)
        throw ToolFailure{EX_NOHOST, fmt::format("{} is not in {}", *checked, domains.file())};
    if (!domain->problem.empty())
        throw ToolFailure{EX_CONFIG, fmt::format("{}:{}: {}", domains.file(), domain->line, domain->problem)};
    return *domain;
}

namespace {

/// Files of another owner are read with the rights of that owner. Nothing but a tool runs as root.
FileRights rights_of(const Config& config, const Account& owner) {
    if (owner.uid != 0) return {};
    const auto reader = vhost_account(config);
    if (!reader)
        throw ToolFailure{EX_NOUSER,
                          fmt::format("vhost-user={} has no account", config.vhost.user.to_string())};
    return {0640, reader->gid, S_IRGRP};
}

}  // namespace

DomainFolder act_as_owner(const Config& config, const VirtualDomain& domain) {
    const auto owner = find_login(domain.owner);
    if (!owner)
        throw ToolFailure{EX_NOUSER,
                          fmt::format("{}, the owner of {}, has no account", domain.owner, domain.name)};
    if (::geteuid() != owner->uid && ::geteuid() != 0)
        throw ToolFailure{
            EX_NOPERM, fmt::format("{} is managed by its owner {}, and by root", domain.name, owner->name)};
    if (::geteuid() == 0 && owner->uid != 0) become_forever(owner->uid, owner->gid, groups_of(*owner));
    return {config.vhost.dir + "/" + domain.name, rights_of(config, *owner)};
}

bool is_secret_of(const Config& config, const VirtualDomain& domain, const std::string& secret) {
    const Fd file = open_domain_file(config.vhost.dir + "/" + domain.name, domain, "passwd");
    const auto users = file ? read_virtual_users(file.get()) : std::vector<VirtualUser>();
    const VirtualUser* postmaster = find_virtual_user(users, "postmaster");
    return postmaster != nullptr && is_password(secret, password_of(*postmaster));
}

VirtualName parse_virtual_name(const std::string& text, bool star) {
    const auto at = text.rfind('@');
    if (at == text.npos) throw ToolFailure{EX_DATAERR, fmt::format("\"{}\" is not USER@DOMAIN", text)};
    const std::string user = text.substr(0, at);
    if (!is_virtual_user_name(user) && !(star && user == "*"))
        throw ToolFailure{EX_DATAERR, fmt::format("\"{}\" cannot be a name in a virtual domain", user)};
    return {user, text.substr(at + 1)};
}

}  // namespace postoffice
