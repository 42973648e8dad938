// virtdomain: what the program of that name did for sites that kept their virtual domains with it, in the
// same words. vdomain, vpasswd and valias do all of it, and more.
#include <fcntl.h>
#include <fmt/format.h>
#include <getopt.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "changed_file.h"
#include "domain_edits.h"
#include "domain_setup.h"
#include "domain_tool.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/output.h"
#include "postoffice/base/privileges.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/values.h"
#include "postoffice/mail/header.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_header = 256 * 1024;
constexpr std::size_t most_message = 512u << 20;

constexpr const char* virtdomain_usage =
    "usage: virtdomain [-C file] CREATE domain owner password [postfix]\n"
    "       virtdomain [-C file] DELETE domain owner password\n"
    "       virtdomain [-C file] [MAILBOUNCE] [user@domain]\n";

/// In a process of its own, with the rights of this account for good. Throws ToolFailure with what that said.
void run_as(const Account& account, const std::function<int()>& body) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw_errno("fork");
    if (child == 0)
        ::_exit(run_domain_tool("virtdomain", [&] {
            become_forever(account.uid, account.gid, groups_of(account));
            return body();
        }));
    int status = 0;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR) throw_errno("waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EX_OK)
        throw ToolFailure{WIFEXITED(status) ? WEXITSTATUS(status) : EX_OSERR,
                          "not all of it was done as " + account.name};
}

void require_root() {
    if (::geteuid() != 0) throw ToolFailure{EX_NOPERM, "which domains there are is for root to say"};
}

/// The postmaster is the owner; the owner makes all other users.
int write_first_files(const Config& config, const VirtualDomain& domain, const Account& owner,
                      const std::string& password) {
    const std::string folder = config.vhost.dir + "/" + domain.name;
    {
        ChangedFile passwd(folder, "passwd", {});
        const std::string others = without_user(passwd.text(), "postmaster").value_or(passwd.text());
        const std::string line = fmt::format("postmaster:x:{}:{}::{}:\n", owner.uid, owner.gid, owner.home);
        passwd.replace(with_user(others + line, "postmaster", hash_password(password)));
    }
    if (!domain.with_subdomains) return EX_OK;
    ChangedFile aliases(folder, "aliases", {});
    aliases.replace(with_alias(aliases.text(), "*",
                               fmt::format("{}{}*--*@{}", owner.name, config.routing.recipient_delimiter[0],
                                           config.identity.hostname)));
    return EX_OK;
}

int create(const Config& config, const std::vector<std::string>& words) {
    require_root();
    VirtualDomain domain;
    const auto name = parse_domain(words[1]);
    if (!name) throw ToolFailure{EX_DATAERR, name.problem()};
    domain.name = *name;
    domain.owner = words[2];
    domain.active = true;
    domain.with_subdomains = words.size() < 5;
    if (words[3].empty()) throw ToolFailure{EX_DATAERR, "no password"};
    if (domain.with_subdomains && config.routing.recipient_delimiter.empty())
        throw ToolFailure{EX_CONFIG, "recipient-delimiter= is empty: one account cannot have all addresses"};
    const auto owner = find_login(domain.owner);
    if (owner && owner->uid == 0) throw ToolFailure{EX_NOUSER, "root cannot be the user of a domain"};
    const Account account = make_domain_folders(config, domain);
    domain.owner = account.name;
    run_as(account, [&] { return write_first_files(config, domain, account, words[3]); });
    enter_domain(config, domain);
    return EX_OK;
}

/// ".forward+user--domain", also of its subdomains.
bool is_file_of(const VirtualDomain& domain, const std::string& name) {
    const auto dashes = name.rfind("--");
    if (!name.starts_with(".forward") || dashes == name.npos) return false;
    const std::string of = name.substr(dashes + 2);
    return of == domain.name || (domain.with_subdomains && of.ends_with("." + domain.name));
}

int remove_owners_files(const Config& config, const VirtualDomain& domain, const Account& owner) {
    const std::string folder = config.vhost.dir + "/" + domain.name;
    for (const std::string name : {"passwd", "aliases"})
        for (const char* state : {"", "~", ".new"}) disk::unlink_if_exists(folder + "/" + name + state);
    std::error_code none;
    for (const fs::directory_entry& entry : fs::directory_iterator(owner.home, none))
        if (is_file_of(domain, entry.path().filename())) disk::unlink_if_exists(entry.path());
    return EX_OK;
}

/// What is in the folder, if it is one and no link.
int remove_mail(const std::string& folder) {
    std::error_code error;
    if (!fs::is_directory(fs::symlink_status(folder, error))) return EX_OK;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
        std::error_code failure;
        fs::remove_all(entry.path(), failure);  // follows no links
        if (failure) throw std::system_error(failure, entry.path());
    }
    if (error) throw std::system_error(error, folder);
    return EX_OK;
}

/// The folder of the domain may be the owner's, the one that it is in is not.
void remove_mailboxes(const Config& config, const VirtualDomain& domain) {
    const std::string folder = config.vhost.spool + "/" + domain.name;
    run_as(virtual_mailbox_owner(config, domain).value(), [&] { return remove_mail(folder); });
    run_as(vhost_account(config).value(), [&] {
        std::error_code error;
        fs::remove(folder, error);
        if (error) throw std::system_error(error, folder);
        return EX_OK;
    });
}

int remove(const Config& config, const std::vector<std::string>& words) {
    require_root();
    const VirtualDomain domain = find_domain(config, words[1]);
    const auto owner = find_login(domain.owner);
    const auto named = find_login(words[2]);
    if (!owner || !named || owner->uid != named->uid || owner->uid == 0)
        throw ToolFailure{EX_NOUSER, fmt::format("{} does not look after {}", words[2], domain.name)};
    if (!is_secret_of(config, domain, words[3]))
        throw ToolFailure{EX_NOPERM, "that is not the password of postmaster@" + domain.name};
    if (!vhost_account(config))
        throw ToolFailure{EX_NOUSER,
                          fmt::format("vhost-user={} has no account", config.vhost.user.to_string())};
    {
        ChangedFile table(config.vhost.dir, "domains.cf", domain_table_rights);
        table.replace(without_domain(table.text(), domain.name).value_or(table.text()));
    }
    run_as(*owner, [&] { return remove_owners_files(config, domain, *owner); });
    remove_mailboxes(config, domain);
    const std::string folder = config.vhost.dir + "/" + domain.name;
    if (::rmdir(folder.c_str()) != 0) print_error("virtdomain: {} is left: it is not empty\n", folder);
    return EX_OK;
}

/// The recipient of the message: as given, or by the extension of an address like "owner+user--domain".
VirtualName meant_user(const std::vector<std::string>& words) {
    if (!words.empty()) return parse_virtual_name(words[0]);
    const char* variable = std::getenv("EXTENSION");
    const std::string extension = variable == nullptr ? "" : variable;
    const auto dashes = extension.rfind("--");
    if (dashes == extension.npos || dashes == 0)
        throw ToolFailure{EX_USAGE, "no recipient: neither an address nor an EXTENSION like user--domain"};
    return {extension.substr(0, dashes), to_lower(extension.substr(dashes + 2))};
}

/// Standard input without the line that mailboxes have in front, and with a field by which a loop is known.
Fd read_message(const std::string& recipient) {
    std::string text = disk::read_all(STDIN_FILENO, most_message);
    const std::string_view first_line = std::string_view(text).substr(0, text.find('\n'));
    if (is_mbox_from_line(first_line)) text.erase(0, first_line.size() + 1);
    if (has_field(std::string_view(text).substr(0, most_header), "Delivered-To", recipient))
        throw ToolFailure{EX_DATAERR, recipient + ": mail loop: it has been here before"};
    return disk::memory_file("Delivered-To: " + recipient + "\n" + text);
}

/// An address with an extension is the user, whatever the alias of that name says, vhosts(7): the alias may
/// be what led here. "" if there is no such user: an alias may take the mail.
std::string past_aliases(const Config& config, const DomainEntry& entry) {
    return entry.user && !config.routing.recipient_delimiter.empty()
               ? config.routing.recipient_delimiter.substr(0, 1) + "virtdomain"
               : "";
}

int deliver(const Config& config, const std::vector<std::string>& words, bool bounces) {
    const VirtualName meant = meant_user(words);
    DomainTable table(config.vhost.dir);
    table.refresh();
    const VirtualDomain* domain = table.find(meant.domain);
    if (domain == nullptr) throw ToolFailure{EX_NOHOST, meant.domain + " is no virtual domain"};
    DomainFiles files(act_as_owner(config, *domain).path, *domain, vhost_uid(config));
    DomainEntry entry = files.look_up(meant.user);
    if (entry.status != DomainEntry::Status::answered) throw ToolFailure{EX_TEMPFAIL, entry.problem};
    if (!entry.user && bounces)
        throw ToolFailure{EX_NOUSER, fmt::format("{}@{}: no such user", meant.user, meant.domain)};
    const std::string name = entry.user.value_or("postmaster");
    if (!entry.user) entry = files.look_up(name);
    const Fd message = read_message(name + "@" + domain->name);
    const std::string to = name + past_aliases(config, entry) + "@" + domain->name;

    const char* variable = std::getenv("SENDER");
    std::vector<std::string> arguments{"sendmail", "-oi", "-G"};
    if (variable != nullptr) arguments.insert(arguments.end(), {"-f", *variable == '\0' ? "<>" : variable});
    if (config.file_was_asked_for) arguments.insert(arguments.end(), {"-C", config.file});
    arguments.insert(arguments.end(), {"--", to});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (::dup2(message.get(), STDIN_FILENO) < 0 || ::lseek(STDIN_FILENO, 0, SEEK_SET) < 0)
        throw_errno("dup2");
    ::execv("/proc/self/exe", argv.data());
    throw_errno("sendmail");
}

int carry_out(const std::optional<std::string>& config_file, std::vector<std::string> words) {
    const std::string verb = words.empty() ? "" : words[0];
    const auto count = words.size();
    const bool bounces = verb == "MAILBOUNCE";
    if (bounces) words.erase(words.begin());
    const bool is_creation = verb == "CREATE" && (count == 4 || (count == 5 && words[4] == "postfix"));
    const bool is_removal = verb == "DELETE" && count == 4;
    const bool is_delivery = verb != "CREATE" && verb != "DELETE" && words.size() <= 1;
    if (!is_creation && !is_removal && !is_delivery) return show_usage(virtdomain_usage, EX_USAGE);
    const Config config = config_for_tool(config_file);
    if (is_creation) return create(config, words);
    if (is_removal) return remove(config, words);
    return deliver(config, words, bounces);
}

}  // namespace

int virtdomain(int argc, char** argv) {
    if (asks_for_help(argc, argv)) return show_usage(virtdomain_usage, EX_OK);
    std::optional<std::string> config_file;
    ::optind = 1;
    for (int c = 0; (c = ::getopt(argc, argv, "+C:")) != -1;) {
        if (c != 'C') return show_usage(virtdomain_usage, EX_USAGE);
        config_file = ::optarg;
    }
    return run_domain_tool("virtdomain", [&] {
        return carry_out(config_file, {argv + ::optind, argv + argc});
    });
}

}  // namespace postoffice
