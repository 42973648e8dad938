#include "postoffice/base/accounts.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <cerrno>
#include <limits>
#include <memory>
#include <string_view>
#include <system_error>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t most_entry_octets = 1u << 20;

/// What getpwnam_r(3) returns for "no such name" is zero; but some name services say it by one of these.
bool means_not_found(int error) {
    if (error == ESRCH) return true;
    struct stat status {};  // ENOENT also says that the password file itself is missing, which is no answer
    return error == ENOENT && ::stat("/etc/passwd", &status) == 0;
}

/// Calls one of getpwnam_r(3), getpwuid_r(3), getgrnam_r(3), getgrgid_r(3) with a buffer that is large
/// enough, and returns what `read` makes of the entry, which points into the buffer.
template <class Entry, class LookUp, class Read>
auto look_up(const std::string& what, const LookUp& ask, const Read& read)
    -> std::optional<decltype(read(Entry()))> {
    char small[2048];
    std::unique_ptr<char[]> large;
    char* buffer = small;
    std::size_t size = sizeof small;
    Entry entry{};
    Entry* found = nullptr;
    for (;;) {
        const int error = ask(&entry, buffer, size, &found);
        if (error == EINTR) continue;
        if (error == ERANGE && size < most_entry_octets) {
            size *= 4;
            large = std::make_unique<char[]>(size);
            buffer = large.get();
            continue;
        }
        if (found != nullptr) return read(entry);
        if (error == 0 || means_not_found(error)) return std::nullopt;
        throw_errno(error, printable(what));
    }
}

std::string full_name_in(std::string_view gecos, const std::string& login) {
    std::string name;
    for (const char c : gecos.substr(0, gecos.find(','))) {
        if (c != '&') {
            name += c;
            continue;
        }
        const std::size_t begin = name.size();
        name += login;
        if (name[begin] >= 'a' && name[begin] <= 'z')
            name[begin] = static_cast<char>(name[begin] - 'a' + 'A');
    }
    return name;
}

Account read_account(const passwd& entry) {
    const auto text = [](const char* value) { return std::string(value == nullptr ? "" : value); };
    return {entry.pw_name,      entry.pw_uid,         entry.pw_gid,
            text(entry.pw_dir), text(entry.pw_shell), full_name_in(text(entry.pw_gecos), entry.pw_name)};
}

bool can_be_name(const std::string& name) {
    return !name.empty() && name.find('\0') == std::string::npos;
}

}  // namespace

std::optional<Account> find_account(const std::string& name) {
    if (!can_be_name(name)) return std::nullopt;
    const auto ask = [&](passwd* entry, char* buffer, std::size_t size, passwd** found) {
        return ::getpwnam_r(name.c_str(), entry, buffer, size, found);
    };
    return look_up<passwd>("account " + name, ask, read_account);
}

std::optional<Account> find_account(uid_t uid) {
    const auto ask = [&](passwd* entry, char* buffer, std::size_t size, passwd** found) {
        return ::getpwuid_r(uid, entry, buffer, size, found);
    };
    return look_up<passwd>(fmt::format("account {}", uid), ask, read_account);
}

std::optional<Account> find_login(const std::string& login_or_uid) {
    const auto number = parse_number(login_or_uid);
    if (!number) return find_account(login_or_uid);
    if (*number >= std::numeric_limits<uid_t>::max()) return std::nullopt;
    return find_account(static_cast<uid_t>(*number));
}

std::optional<gid_t> find_group(const std::string& name) {
    if (!can_be_name(name)) return std::nullopt;
    const auto ask = [&](group* entry, char* buffer, std::size_t size, group** found) {
        return ::getgrnam_r(name.c_str(), entry, buffer, size, found);
    };
    return look_up<group>("group " + name, ask, [](const group& entry) { return entry.gr_gid; });
}

std::string group_name(gid_t gid) try {
    const auto ask = [&](group* entry, char* buffer, std::size_t size, group** found) {
        return ::getgrgid_r(gid, entry, buffer, size, found);
    };
    const auto read = [](const group& entry) { return std::string(entry.gr_name); };
    return look_up<group>(fmt::format("group {}", gid), ask, read).value_or(std::to_string(gid));
} catch (const std::system_error&) {
    return std::to_string(gid);
}

std::string login_name(uid_t uid) try {
    const auto account = find_account(uid);
    return account ? account->name : fmt::format("uid{}", uid);
} catch (const std::system_error&) {
    return fmt::format("uid{}", uid);
}

void load_name_services() {
    try {
        if (const auto account = find_account(uid_t{0})) (void)groups_of(*account);
    } catch (const std::system_error&) {
        // What cannot be asked now is asked, and fails, where it matters.
    }
}

std::vector<gid_t> groups_of(const Account& account) {
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    while (::getgrouplist(account.name.c_str(), account.gid, groups.data(), &count) < 0)
        groups.resize(static_cast<std::size_t>(count) + 16), count = static_cast<int>(groups.size());
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

}  // namespace postoffice
