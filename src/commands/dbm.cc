// dbm: shows and changes a database of postoffice. A change is made in a copy that takes the place of the
// database in one step: a process that reads it meanwhile, as the router does with aliases, has the old one
// or the new one, and a change that fails has no effect. dbm(8).
#include "postoffice/base/dbm.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <getopt.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <vector>

#include "dbm_text.h"
#include "domains/domain_tool.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/lock.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"

namespace postoffice {
namespace {

constexpr Seconds patience_with_others{10};

using Arguments = std::vector<std::string>;

struct stat status_of(int file, const std::string& path) {
    struct stat status {};
    if (::fstat(file, &status) != 0) throw_errno("stat " + path);
    return status;
}

/// An existing database, locked against changes by other processes.
class Database {
  public:
    Database(const std::string& name, bool to_change) {
        std::error_code error;
        path_ = std::filesystem::canonical(name, error).string();
        if (error)
            throw ToolFailure{error.value() == EACCES ? EX_NOPERM : EX_NOINPUT,
                              fmt::format("{}: {}", name, error.message())};
        const auto deadline = Deadline::after(patience_with_others);
        // Sessions lock a file beside each of the greylist's, which they change in place.
        neighbour_ = disk::open_if_exists(path_ + ".lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        if (neighbour_) lock_until(neighbour_.get(), path_, deadline);
        for (;;) {
            file_ = disk::open(path_, (to_change ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK);
            status_ = status_of(file_.get(), path_);
            if (!S_ISREG(status_.st_mode)) throw ToolFailure{EX_DATAERR, path_ + " is no file"};
            if (!to_change) break;
            lock_until(file_.get(), path_, deadline);
            struct stat now {};
            if (::stat(path_.c_str(), &now) == 0 && now.st_ino == status_.st_ino &&
                now.st_dev == status_.st_dev)
                break;
        }
        entries_.emplace(Fd(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0)), path_);
    }

    Dbm& entries() { return *entries_; }

    /// Everything but what `is_left_out` names goes into the copy, then what is added.
    void replace(const std::function<bool(const std::string& key)>& is_left_out,
                 const std::map<std::string, std::string>& added) {
        if (status_.st_uid != ::geteuid() && ::geteuid() != 0)
            throw ToolFailure{EX_NOPERM, path_ + " belongs to another user"};
        DbmBuilder copy(path_, status_.st_mode & 0777, status_.st_gid, status_.st_uid);
        entries_->for_each([&](const std::string& key, const std::string& value) {
            if (!is_left_out(key) && !added.contains(key)) copy.insert(key, value);
        });
        for (const auto& [key, value] : added) copy.insert(key, value);
        copy.commit();
    }

  private:
    std::string path_;
    Fd neighbour_;
    Fd file_;
    struct stat status_ {};
    std::optional<Dbm> entries_;
};

bool none(const std::string&) {
    return false;
}

std::string octets_of(const std::string& argument) {
    auto octets = from_dbm_text(argument);
    if (!octets) throw ToolFailure{EX_USAGE, fmt::format("\"{}\": {}", argument, octets.problem())};
    return std::move(*octets);
}

int create(const std::string& path, const Arguments&) {
    const mode_t mask = ::umask(0);
    (void)::umask(mask);
    const int placeholder = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (placeholder < 0)
        throw ToolFailure{EX_CANTCREAT, fmt::format("{}: {}", path, std::generic_category().message(errno))};
    ::close(placeholder);
    try {
        DbmBuilder(path, 0666 & ~mask, ::getegid()).commit();
    } catch (...) {
        ::unlink(path.c_str());
        throw;
    }
    return EX_OK;
}

int clear(const std::string& path, const Arguments&) {
    Database(path, true).replace([](const std::string&) { return true; }, {});
    return EX_OK;
}

int delete_keys(const std::string& path, const Arguments& arguments) {
    std::map<std::string, std::string> keys;
    for (const std::string& argument : arguments) keys.emplace(octets_of(argument), argument);
    Database database(path, true);
    for (const auto& [key, argument] : keys)
        if (!database.entries().find(key)) throw ToolFailure{EX_UNAVAILABLE, argument + ": no such key"};
    database.replace([&](const std::string& key) { return keys.contains(key); }, {});
    return EX_OK;
}

/// A slow reader of the output must not keep the database locked.
int dump(const std::string& path, const Arguments&) {
    std::vector<std::string> lines;
    Database(path, false).entries().for_each([&](std::string key, std::string value) {
        lines.push_back(to_dbm_line({std::move(key), std::move(value)}));
    });
    for (const std::string& line : lines) print_output("{}\n", line);
    return EX_OK;
}

int fetch(const std::string& path, const Arguments& arguments) {
    const auto value = Database(path, false).entries().find(octets_of(arguments[0]));
    if (!value) throw ToolFailure{EX_UNAVAILABLE, arguments[0] + ": no such key"};
    print_output("{}\n", to_dbm_text(*value));
    return EX_OK;
}

int insert(const std::string& path, const Arguments& arguments) {
    const std::string key = octets_of(arguments[0]), value = octets_of(arguments[1]);
    Database database(path, true);
    if (database.entries().find(key))
        throw ToolFailure{EX_UNAVAILABLE, arguments[0] + ": there is such a key"};
    database.replace(none, {{key, value}});
    return EX_OK;
}

int update(const std::string& path, const Arguments& arguments) {
    const std::string key = octets_of(arguments[0]), value = octets_of(arguments[1]);
    Database(path, true).replace(none, {{key, value}});
    return EX_OK;
}

/// A line without its newline; false at the end of the file. No more is read of one that is too long.
bool read_line(std::FILE* file, std::string& line) {
    line.clear();
    int c = EOF;
    while (line.size() <= longest_dbm_line && (c = ::getc_unlocked(file)) != EOF && c != '\n')
        line += static_cast<char>(c);
    if (std::ferror(file)) throw_errno("read");
    return c != EOF || !line.empty();
}

int load(const std::string& path, const Arguments& arguments) {
    const bool is_named = !arguments.empty() && arguments[0] != "-";
    const std::string name = is_named ? arguments[0] : "standard input";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
        is_named ? std::fopen(name.c_str(), "re") : ::fdopen(::dup(STDIN_FILENO), "r"), std::fclose);
    if (!file)
        throw ToolFailure{EX_NOINPUT, fmt::format("{}: {}", name, std::generic_category().message(errno))};
    std::map<std::string, std::string> added;
    std::string line;
    for (std::size_t number = 1; read_line(file.get(), line); ++number) {
        auto entry = from_dbm_line(line);
        if (!entry) throw ToolFailure{EX_DATAERR, fmt::format("{}:{}: {}", name, number, entry.problem())};
        added.insert_or_assign(std::move(entry->key), std::move(entry->value));
    }
    Database(path, true).replace(none, added);
    return EX_OK;
}

struct Command {
    std::string_view name;
    std::size_t least, most;  ///< arguments
    int (*run)(const std::string& path, const Arguments& arguments);
    std::string_view usage;
};
constexpr std::size_t many = 10'000;
constexpr std::array<Command, 8> commands = {{
    {"create", 0, 0, create, ""},
    {"clear", 0, 0, clear, ""},
    {"delete", 1, many, delete_keys, " key ..."},
    {"dump", 0, 0, dump, ""},
    {"fetch", 1, 1, fetch, " key"},
    {"insert", 2, 2, insert, " key value"},
    {"load", 0, 1, load, " [file]"},
    {"update", 2, 2, update, " key value"},
}};

int show_dbm_usage(int exit_code = EX_USAGE) {
    std::string_view lead = "usage:";
    for (const Command& command : commands)
        write_text(
            exit_code == EX_OK ? stdout : stderr,
            fmt::format("{:6} dbm -d database {}{}\n", std::exchange(lead, ""), command.name, command.usage));
    return exit_code;
}

}  // namespace

int dbm(int argc, char** argv) {
    if (asks_for_help(argc, argv)) return show_dbm_usage(EX_OK);
    std::string path;
    ::optind = 1;
    for (int c = 0; (c = ::getopt(argc, argv, "+d:")) != -1;) {
        if (c != 'd') return show_dbm_usage();
        path = ::optarg;
    }
    if (path.empty() || ::optind == argc) return show_dbm_usage();
    const std::string_view name = argv[::optind];
    const Arguments arguments(argv + ::optind + 1, argv + argc);
    for (const Command& command : commands)
        if (command.name == name && arguments.size() >= command.least && arguments.size() <= command.most)
            return run_domain_tool("dbm", [&] { return command.run(path, arguments); });
    return show_dbm_usage();
}

}  // namespace postoffice
