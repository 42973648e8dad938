// sendmail -bC, postoffice check: would a server start with this configuration? Reads it and looks at what it
// names as the start does, and tells all that is wrong.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <vector>

#include "postoffice/base/error.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/options.h"
#include "postoffice/daemon/login_keeper.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/daemon/start_check.h"
#include "postoffice/outbound/tls_policy_table.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/routing/address_map.h"
#include "postoffice/routing/availability.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/next_hops.h"
#include "postoffice/routing/users.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {
namespace {

/// The first few of the names, and how many there are beside them.
std::string some_of(const std::vector<std::string>& names) {
    constexpr std::size_t most = 5;
    std::string text;
    for (std::size_t i = 0; i < std::min(most, names.size()); ++i)
        text += (text.empty() ? "" : ", ") + names[i];
    return names.size() > most ? fmt::format("{} and {} more", text, names.size() - most) : text;
}

/// What the authenticator would make of the lines of one domain, where that may not be what was meant.
void note_passwords(const DomainTable& domains, const VirtualDomain& domain,
                    std::vector<std::string>& notices) {
    const std::string folder = domains.folder_of(domain);
    const Fd file = open_domain_file(folder, domain, "passwd");
    std::vector<std::string> plain, unknown;
    for (const VirtualUser& user : file ? read_virtual_users(file.get()) : std::vector<VirtualUser>()) {
        const StoredPassword stored = password_of(user);
        const bool is_meant = stored.is_locked || user.hash.empty() || user.hash == "x";
        if (stored.kind == StoredPassword::Kind::plain) plain.push_back(user.name);
        if (stored.kind == StoredPassword::Kind::none && !is_meant) unknown.push_back(user.name);
    }
    if (!plain.empty())
        notices.push_back(fmt::format("{}/passwd: passwords in plain text: {}", folder, some_of(plain)));
    if (!unknown.empty())
        notices.push_back(fmt::format("{}/passwd: hashes of no known kind, these users cannot log in: {}",
                                      folder, some_of(unknown)));
}

/// A mail folder of a domain that its owner cannot make, or cannot get to.
void note_mail_folder(const Config& config, const VirtualDomain& domain, std::vector<std::string>& notices) {
    struct stat top {};
    const auto keeper = virtual_mailbox_owner(config, domain), usual = vhost_account(config);
    if (!keeper || !usual) return;
    if (const auto obstacle = obstacle_to_domain_folder(config, keeper->uid, domain.name))
        notices.push_back(
            fmt::format("vhost-spool: {}: it has to be a folder of {}", obstacle->detail, keeper->name));
    if (keeper->uid == usual->uid || ::stat(config.vhost.spool.c_str(), &top) != 0 ||
        (top.st_mode & S_IXOTH) != 0)
        return;
    notices.push_back(fmt::format("vhost-spool: {} cannot get to the folder of {}: chmod o+x {}",
                                  keeper->name, domain.name, config.vhost.spool));
}

/// Of tables of next hops and addresses: mail that meets one of these waits, other mail goes on.
std::vector<std::string> notices_of_routes(const Config& config) {
    NextHops next_hops(config);
    next_hops.refresh();
    std::vector<std::string> problems = next_hops.problems();
    AddressMap canonical(config, "canonical", config.routing.canonical);
    AddressMap generics(config, "generics", config.routing.generics);
    for (AddressMap* map : {&canonical, &generics}) {
        map->refresh();
        for (std::string& problem : map->problems()) problems.push_back(std::move(problem));
    }
    return problems;
}

/// Of virtual domains, as far as this process may look: no mistake in them keeps the server from its start.
std::vector<std::string> notices_of_domains(const Config& config) {
    std::vector<std::string> notices;
    const auto tell = [&](const std::function<void()>& look) {
        try {
            look();
        } catch (const std::exception& error) {
            if (::geteuid() == 0) notices.push_back(in_plain_words(error));
        }
    };
    tell([&] {
        DomainTable domains(config.vhost.dir);
        domains.refresh();
        for (const VirtualDomain& domain : domains.all())
            if (domain.problem.empty()) {
                tell([&] { note_passwords(domains, domain, notices); });
                tell([&] { note_mail_folder(config, domain, notices); });
            }
    });
    return notices;
}

}  // namespace

int check_config(const CommandLine& line) {
    const auto source = config_source(line.config_file, line.settings);
    auto loaded = load_config(source);
    loaded.config.identity.only_user = only_user_of(loaded.config);
    const StartCheck start = loaded.problems.empty() ? check_start(loaded) : StartCheck{};

    for (const auto& problems : {loaded.problems, start.problems})
        for (const auto& problem : problems) print_error("{}\n", printable(problem.text));
    for (const auto& notices :
         {loaded.notices, start.notices, notices_of_domains(loaded.config), notices_of_routes(loaded.config),
          problems_of_relay_logins(loaded.config), problems_of_tls_policies(loaded.config.remote.tls_policy)})
        for (const auto& notice : notices) print_error("{} (a notice)\n", printable(notice));
    for (const auto& thing : start.unchecked)
        print_error("{} (not checked: root alone can)\n", printable(thing));
    if (!loaded.problems.empty()) return loaded.exit_code();
    if (!start.problems.empty()) return start.problems.front().exit_code;
    if (loaded.config.file.empty())
        print_output("configuration is fine (there is no {}, defaults are used)\n", printable(source.file));
    else
        print_output("configuration is fine\n");
    return 0;
}

}  // namespace postoffice
