#include "postoffice/routing/aliases.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t most_source_octets = 64u << 20;
constexpr std::size_t most_include_octets = 4u << 20;
constexpr Seconds age_check_interval{60};

/// sendmail's mark "@:@", the last alias to be stored: a database with it is complete.
const std::string cookie = "@";

bool is_missing(int error) {
    return error == ENOENT || error == ENOTDIR;
}

bool same(const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool later(const timespec& a, const timespec& b) {
    return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

}  // namespace

bool AliasTable::Stamp::operator==(const Stamp& other) const {
    return inode == other.inode && device == other.device && size == other.size &&
           same(changed, other.changed) && process == other.process;
}

AliasTable::Stamp AliasTable::stamp_of(const struct stat& status) {
    return {status.st_dev, status.st_ino, status.st_size, status.st_mtim, ::getpid()};
}

AliasTable::AliasTable(std::string source)
    : source_(std::move(source)), database_path_(alias_database(source_)) {}

void AliasTable::refresh() {
    if (source_.empty()) return;
    struct stat status {};
    if (::stat(database_path_.c_str(), &status) == 0) {
        const Stamp stamp = stamp_of(status);
        if (stamp != database_stamp_) {
            database_.reset();
            try {
                database_stamp_ = stamp;
                open_database();
            } catch (const std::exception& error) {
                abandon_database(in_plain_words(error));
            }
        }
    } else if (is_missing(errno)) {
        database_.reset();
        database_stamp_ = {};
        database_problem_.clear();
    } else {
        abandon_database(std::system_error(errno, std::generic_category(), database_path_).what());
        database_stamp_ = {};
    }
    if (database_)
        warn_if_outdated();
    else
        use_source();
}

std::optional<std::string> AliasTable::find(const std::string& name) {
    if (name == cookie) return std::nullopt;
    const std::string lower = to_lower(name);
    if (database_) {
        try {
            auto value = database_->find(lower);
            if (!value && lower != name) value = database_->find(name);  // as other programs may store it
            return value;
        } catch (const FormatError& error) {
            abandon_database(error.what());
            use_source();
        }
    }
    const auto entry = entries_.find(lower);
    if (entry == entries_.end()) return std::nullopt;
    const AliasEntry& found = entry->second;
    if (!found.problem.empty())
        throw FormatError(fmt::format("{}:{}: {}", source_, found.line, found.problem));
    return found.value;
}

void AliasTable::open_database() {
    Fd file = disk::open(database_path_, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    Dbm database(std::move(file), database_path_);
    if (!database.find(cookie)) throw FormatError(database_path_ + ": not a complete alias database");
    database_ = std::move(database);
    database_problem_.clear();
    entries_.clear();
    source_stamp_ = {};
    next_age_check_ = 0;
}

void AliasTable::abandon_database(const std::string& problem) {
    if (problem != database_problem_)
        log_event("", "alias-database-unusable", {{"reason", problem}, {"instead", source_}});
    database_.reset();
    database_problem_ = problem;
}

/// Reads the text again if it changed. That it is missing is fine, unless a database says that it should not
/// be.
void AliasTable::use_source() {
    struct stat status {};
    if (::stat(source_.c_str(), &status) != 0) {
        const int error = errno;
        entries_.clear();
        source_stamp_ = {};
        if (!is_missing(error)) throw_errno(error, source_);
        if (!database_problem_.empty()) throw FormatError(database_problem_);
        return;
    }
    const Stamp stamp = stamp_of(status);
    if (stamp == source_stamp_) return;

    entries_.clear();
    source_stamp_ = {};
    RepeatedEvent broken("alias-broken", {"file", source_});
    for (AliasEntry& entry : parse_alias_file(read_alias_file(source_))) {
        if (!entry.problem.empty())
            broken.log({{"file", source_}, {"line", std::to_string(entry.line)}, {"reason", entry.problem}});
        entries_.try_emplace(entry.name, std::move(entry));  // of two with one name the first
    }
    source_stamp_ = stamp;
}

void AliasTable::warn_if_outdated() {
    const UnixTime now = now_unix();
    if (now < next_age_check_) return;
    next_age_check_ = now + age_check_interval.count();
    struct stat status {};
    if (::stat(source_.c_str(), &status) != 0) return;
    if (!later(status.st_mtim, database_stamp_.changed) || same(status.st_mtim, reported_)) return;
    reported_ = status.st_mtim;
    log_event("", "alias-database-outdated", {{"file", source_}, {"remedy", "run newaliases"}});
}

std::vector<IncludeLine> AliasTable::read_include(const std::string& path) const {
    const Fd file = disk::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw_errno(path);
    if (!S_ISREG(status.st_mode)) throw FormatError(path + ": not a regular file");
    if (status.st_mode & S_IWOTH) throw FormatError(path + ": can be written by everybody");
    struct stat alias_file {};
    const bool has_owner = ::stat(source_.c_str(), &alias_file) == 0;
    if (status.st_uid != 0 && !(has_owner && status.st_uid == alias_file.st_uid))
        throw FormatError(fmt::format("{}: owned neither by root nor by the owner of {}", path, source_));

    return include_lines(disk::read_all(file.get(), most_include_octets));
}

std::vector<IncludeLine> include_lines(std::string_view text) {
    text = without_byte_order_mark(text);
    std::vector<IncludeLine> lines;
    for (unsigned line = 1; !text.empty(); ++line) {
        const auto content = trim(read_until(text, '\n'));
        if (!content.empty() && content.front() != '#') lines.push_back({std::string(content), line});
    }
    return lines;
}

std::string alias_database(const std::string& source) {
    return source + ".postoffice.db";
}

AliasStatistics build_alias_database(const std::string& source, const std::vector<AliasEntry>& entries) {
    struct stat status {};
    if (::stat(source.c_str(), &status) != 0) throw_errno(source);
    DbmBuilder builder(alias_database(source), status.st_mode & 0666, status.st_gid);
    AliasStatistics statistics;
    for (const AliasEntry& entry : entries) {
        builder.insert(entry.name, entry.value);
        ++statistics.aliases;
        statistics.longest = std::max(statistics.longest, entry.value.size());
        statistics.total += entry.value.size();
    }
    builder.insert(cookie, cookie);
    builder.commit();
    return statistics;
}

std::string read_alias_file(const std::string& path) {
    const Fd file = disk::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    return disk::read_all(file.get(), most_source_octets);
}

}  // namespace postoffice
