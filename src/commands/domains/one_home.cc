#include "one_home.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "domain_edits.h"
#include "domain_tool.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

constexpr std::string_view delivery_file = ".forward";
constexpr mode_t mode = 0644;  // as far as the umask lets it: a web server may show what it says

std::string value_in(std::string_view aliases, std::string_view name) {
    for (const AliasEntry& entry : parse_alias_file(aliases))
        if (entry.name == name && entry.problem.empty()) return entry.value;
    return "";
}

}  // namespace

OneHome::OneHome(const Config& config, const VirtualDomain& domain, std::string_view aliases)
    : domain_(domain.name) {
    const auto& files = config.routing.delivery_files;
    if (std::find(files.begin(), files.end(), delivery_file) == files.end()) return;
    const std::string value = value_in(aliases, "*");
    const auto targets = parse_alias_value(value, AliasPlace::domain);
    if (!targets || targets->size() != 1 || targets->front().kind != AliasTarget::Kind::address) return;
    const Address& target = targets->front().address;
    const auto owner = find_login(domain.owner);
    if (!owner || owner->uid == 0 || !config.identity.is_local_domain(target.domain())) return;
    for (const char delimiter : config.routing.recipient_delimiter)
        if (equals_ignoring_case(target.local_part(), owner->name + delimiter + "*--*")) {
            delimiter_ = delimiter;
            home_ = owner->home;
            alias_value_ = value;
        }
}

std::string OneHome::name_of_file(const std::string& user) const {
    return "~/" + path_of(user).substr(home_.size() + 1);
}

std::string OneHome::path_of(const std::string& user) const {
    return home_ + "/" + std::string(delivery_file) + delimiter_ + to_lower(user) + "--" + domain_;
}

std::string OneHome::text_of(const std::string& user) const {
    return "\\" + user + "@" + domain_ + "\n";
}

/// Complete before it has its name: mail may come at any moment.
void OneHome::add_file(const std::string& user) const {
    const std::string path = path_of(user), temporary = path + ".new";
    disk::unlink_if_exists(temporary);
    const Fd file = disk::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    disk::write_all(file.get(), text_of(user));
    disk::sync(file.get());
    try {
        disk::link(temporary, path);
    } catch (const std::system_error& error) {
        if (error.code().value() != EEXIST) throw;
    }
    disk::unlink(temporary);
    disk::sync_directory(home_);
}

void OneHome::remove_file(const std::string& user) const {
    const std::string path = path_of(user), text = text_of(user);
    const Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return;
    std::string start(text.size() + 1, '\0');
    start.resize(disk::read_at(file.get(), start, 0));
    if (equals_ignoring_case(start, text)) disk::unlink_if_exists(path);
}

std::string enter_in_home(const Config& config, const VirtualDomain& domain, const DomainFolder& folder,
                          const std::string& user) {
    ChangedFile aliases(folder.path, "aliases", folder.rights);
    const OneHome home(config, domain, aliases.text());
    if (!home) return "";
    home.add_file(user);
    if (value_in(aliases.text(), to_lower(user)).empty())
        aliases.replace(with_alias(aliases.text(), to_lower(user), home.alias_value()));
    return home.name_of_file(user);
}

void leave_home(const Config& config, const VirtualDomain& domain, const DomainFolder& folder,
                const std::string& user) {
    ChangedFile aliases(folder.path, "aliases", folder.rights);
    const OneHome home(config, domain, aliases.text());
    if (!home) return;
    home.remove_file(user);
    if (value_in(aliases.text(), to_lower(user)) == home.alias_value())
        aliases.replace(without_alias(aliases.text(), to_lower(user)).value());
}

}  // namespace postoffice
