#include "postoffice/policy/hosts_access.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <map>

#include "libwrap.h"
#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr Seconds patience_with_rules{30};  // they may run commands
constexpr std::size_t largest_table = 16 << 20;
constexpr std::int64_t nanoseconds_in_second = 1'000'000'000;

/// What the child found out.
struct Finding {
    std::uint8_t is_allowed = 0;
    std::uint8_t is_outlawed = 0;
    FixedString<256> why;
};

/// Nearly every host has both files, and nothing but comments in them.
bool has_rules_now(const std::string& path) {
    const Fd file = disk::open_if_exists(path, O_RDONLY);
    if (!file) return false;
    const std::string text = disk::read_all(file.get(), largest_table);
    for (const auto line : split(text, '\n'))
        if (!trim(line).empty() && line.front() != '#') return true;
    return false;
}

/// What tells that a file is another one, or was written since. All zero for one that is not there.
struct FileVersion {
    dev_t device = 0;
    ino_t number = 0;
    off_t size = 0;
    std::int64_t written = 0, changed = 0;  ///< nanoseconds
    bool operator==(const FileVersion&) const = default;
};

FileVersion version_of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    const auto nanoseconds = [](const timespec& time) {
        return std::int64_t{time.tv_sec} * nanoseconds_in_second + time.tv_nsec;
    };
    return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
            nanoseconds(status.st_ctim)};
}

/// Asked twice for each client, so a table is read again only after it was changed.
bool has_rules(const std::string& path) {
    struct Known {
        FileVersion version;
        bool has_rules = false;
    };
    static std::map<std::string, Known> known;
    const FileVersion version = version_of(path);
    const auto found = known.find(path);
    if (found != known.end() && found->second.version == version) return found->second.has_rules;
    const Known now{version, has_rules_now(path)};
    // A change within the same tick of the file system's clock would look like this version.
    if (now_unix() > version.changed / nanoseconds_in_second + 1) known.insert_or_assign(path, now);
    return now.has_rules;
}

/// The name that the rules are asked about. libwrap cuts long names, and what is left of one that its owner
/// made up could end like a friend's.
std::string name_for_rules(const Client& client) {
    if (client.name_status == NameStatus::contradicted) return libwrap_paranoid;
    const bool fits = client.name.size() < libwrap_longest_name;
    return client.name_status == NameStatus::verified && fits ? client.name : libwrap_unknown;
}

std::string reason_in_environment(const char* variable) {
    const char* text = ::getenv(variable);
    std::string reason = printable(trim(text == nullptr ? "" : text));
    while (reason.ends_with('.')) reason.pop_back();
    return reason;
}

int ask_in_child(int answer_to, const Client& client, const AccessTables& tables) {
    ::unsetenv("WHY");
    ::unsetenv("DENY");
    Finding finding;
    finding.is_allowed = libwrap_allows(tables.service, name_for_rules(client), client.address->to_string(),
                                        tables.allow, tables.deny);
    finding.is_outlawed = ::getenv("DENY") != nullptr;
    finding.why.assign_cut(reason_in_environment(finding.is_outlawed != 0 ? "DENY" : "WHY"));
    send_struct(answer_to, finding);
    return 0;
}

Finding ask_child(const Client& client, const AccessTables& tables) {
    SocketPair pair = packet_socket_pair();
    const pid_t child = spawn_process("hosts access", [&] {
        pair.ours.reset();
        return ask_in_child(pair.theirs.get(), client, tables);
    });
    pair.theirs.reset();
    std::optional<ReceivedStruct<Finding>> finding;
    std::string trouble = "hosts access: the child ended without an answer";
    try {
        finding = receive_struct<Finding>(pair.ours.get(), Deadline::after(patience_with_rules));
    } catch (const Timeout&) {
        trouble = "hosts access: a rule took too long";
    }
    if (!finding) (void)::kill(child, SIGKILL);
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (!finding) throw FormatError(trouble);
    return finding->value;
}

}  // namespace

bool has_access_rules(const AccessTables& tables) noexcept try {
    return has_libwrap && (has_rules(tables.allow) || has_rules(tables.deny));
} catch (const std::exception&) {
    return true;
}

AccessVerdict consult_hosts_access(const Client& client, const AccessTables& tables) noexcept try {
    using Kind = AccessVerdict::Kind;
    if (!has_libwrap || (!has_rules(tables.allow) && !has_rules(tables.deny))) return {};
    const Finding finding = ask_child(client, tables);
    if (finding.is_allowed != 0) return {};
    if (client.name_status == NameStatus::temporary) return {Kind::temporary, ""};
    return {finding.is_outlawed != 0 ? Kind::outlawed : Kind::denied, printable(finding.why.str())};
} catch (const std::exception& error) {
    log_event("", "hosts-access-failed", {{"client", client.text()}, {"reason", in_plain_words(error)}});
    return {AccessVerdict::Kind::temporary, ""};
}

Reply refusal_for(const AccessVerdict& verdict, const std::string& hostname, const Client& client) {
    if (verdict.kind == AccessVerdict::Kind::temporary)
        return {421, "4.3.0",
                fmt::format("{} cannot find out now whether it takes mail from {}; please try again later",
                            hostname, client.text())};
    const std::string text = fmt::format("{} does not accept mail from {}{}{}.", hostname, client.text(),
                                         verdict.why.empty() ? "" : " because ", verdict.why);
    if (verdict.kind == AccessVerdict::Kind::outlawed) return {521, "5.7.1", text};
    return {554, "5.7.1", text};
}

}  // namespace postoffice
