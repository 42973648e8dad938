// authexpire: looks after the greylist. Removes entries that are unused for long, lists them, decides single
// cases, and explains one.
#include <fmt/format.h>
#include <getopt.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>

#include "explain_greylist.h"
#include "greylist_key.h"
#include "postoffice/base/error.h"
#include "postoffice/base/output.h"
#include "postoffice/base/privileges.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/options.h"
#include "postoffice/config/values.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/policy/greylist_store.h"

namespace postoffice {
namespace {

constexpr std::int64_t least_age = 60;
constexpr int narrow = 79;

struct Task {
    Seconds age{14 * 86400};
    std::optional<std::string> config_file;
    std::optional<std::string> authorise, blacklist;
    std::string explain;
    Address sender;  ///< --explain of mail that this client brings
    std::optional<IpAddress> client;
    bool blacklisted_too = false;  ///< -E
    bool null_senders = false;     ///< -z
    bool never_retried = false;    ///< -u
    bool dry = false;
    bool verbose = false;
    bool list = false;
    bool wide = false;
};

int show_authexpire_usage(int exit_code = EX_USAGE) {
    write_text(exit_code == EX_OK ? stdout : stderr,
               "usage: authexpire [-C file] [-Enuvz] [age]\n"
               "       authexpire [-C file] [-lw]\n"
               "       authexpire [-C file] [-a | -b | -d | --explain] key\n"
               "       authexpire [-C file] --explain sender address\n");
    return exit_code;
}

/// --explain SENDER ADDRESS.
bool read_mail(const char* client, Task& task) {
    const auto sender = parse_mailbox(task.explain);
    task.client = IpAddress::parse(client);
    if (!task.client)
        print_error("authexpire: \"{}\" is no IP address\n", printable(client));
    else if (!sender)
        print_error("authexpire: \"{}\": {}\n", printable(task.explain), sender.problem());
    else
        task.sender = *sender;
    return task.client && sender;
}

/// False: there is no such option.
bool read_option(int letter, const char* value, Task& task) {
    switch (letter) {
        case 'C':
            task.config_file = value;
            break;
        case 'a':
            task.authorise = value;
            break;
        case 'b':
        case 'd':
            task.blacklist = value;
            break;
        case 'x':
            task.explain = value;
            break;
        case 'E':
            task.blacklisted_too = true;
            break;
        case 'z':
            task.null_senders = true;
            break;
        case 'u':
            task.never_retried = true;
            break;
        case 'n':
            task.dry = true;
            break;
        case 'v':
            task.verbose = true;
            break;
        case 'l':
            task.list = true;
            break;
        case 'w':
            task.list = task.wide = true;
            break;
        default:
            return false;
    }
    return true;
}

bool read_age(const char* text, Task& task) {
    const auto age = parse_duration(text);
    if (!age) {
        print_error("authexpire: {}\n", age.problem());
    } else if (age->count() < least_age) {
        print_error("authexpire: an age of less than {} s would remove all entries\n", least_age);
    } else {
        task.age = *age;
        return true;
    }
    return false;
}

/// False: the command line is wrong, and a message says so.
bool read_arguments(int argc, char** argv, Task& task) {
    const option long_options[] = {{"explain", required_argument, nullptr, 'x'}, {nullptr, 0, nullptr, 0}};
    ::optind = 1;
    for (int letter = 0;
         (letter = ::getopt_long(argc, argv, "C:a:b:d:Elnuvwz", long_options, nullptr)) != -1;)
        if (!read_option(letter, ::optarg, task)) return false;
    const int words = argc - ::optind;
    if (words == 0) return true;
    if (!task.explain.empty()) return words == 1 && read_mail(argv[::optind], task);
    if (words == 1) return read_age(argv[::optind], task);
    print_error("authexpire: one age is enough\n");
    return false;
}

class Expiry {
  public:
    Expiry(const Task& task, const Config& config)
        : task_(task), store_(config.greylist.db_dir), config_(config) {}

    int list() const {
        const bool cut = !task_.wide && ::isatty(STDOUT_FILENO) == 1;
        store_.visit(
            [&](const std::string& key, const GreylistEntry& entry) {
                std::string line = fmt::format("{}\t{}", printable(key), entry.text());
                if (cut && line.size() > narrow) line.resize(narrow);
                print_output("{}\n", line);
                return std::optional(entry);
            },
            false);
        return EX_OK;
    }

    int decide(const std::string& key, bool blacklisted) const {
        if (const auto problem = problem_of_greylist_key(to_lower(key)); !problem.empty()) {
            print_error("authexpire: {}\n", problem);
            return EX_DATAERR;
        }
        const UnixTime now = now_unix();
        store_.change(to_lower(key), [&](const std::optional<GreylistEntry>& before) {
            GreylistEntry entry = before.value_or(GreylistEntry{now, now, 0, 0, false});
            entry.is_blacklisted = blacklisted;
            if (!blacklisted) entry.last = entry.passed = now;
            return std::optional(entry);
        });
        return EX_OK;
    }

    int expire() {
        std::size_t kept = 0, removed = 0;
        const UnixTime now = now_unix();
        store_.visit(
            [&](const std::string& key, const GreylistEntry& entry) {
                const bool goes = is_to_go(key, entry, now);
                ++(goes ? removed : kept);
                if (goes && task_.verbose) print_output("{}\t{}\n", printable(key), entry.text());
                return goes && !task_.dry ? std::nullopt : std::optional(entry);
            },
            !task_.dry);
        if (task_.verbose)
            print_output("{} {}, {} kept\n", removed, task_.dry ? "would be removed" : "removed", kept);
        return EX_OK;
    }

  private:
    bool is_to_go(const std::string& key, const GreylistEntry& entry, UnixTime now) const {
        if (entry.is_blacklisted) return task_.blacklisted_too;
        if (task_.null_senders && key.starts_with("<>")) return true;
        if (task_.never_retried && entry.passed == 0 && entry.tries <= 1 &&
            now - entry.first > config_.greylist.delay.count())
            return true;
        return now - entry.last >= task_.age.count();
    }

    const Task& task_;
    const GreylistStore store_;
    const Config& config_;
};

}  // namespace

int authexpire(int argc, char** argv) {
    if (asks_for_help(argc, argv)) return show_authexpire_usage(EX_OK);
    Task task;
    if (!read_arguments(argc, argv, task)) return show_authexpire_usage();
    const LoadedConfig loaded = load_config(config_source(task.config_file, {}));
    for (const ConfigProblem& problem : loaded.problems) print_error("authexpire: {}\n", problem.text);
    if (!loaded.problems.empty()) return loaded.exit_code();
    try {
        // The files are the sessions': made by root they would be closed to them.
        if (::geteuid() == 0) {
            const ServiceIdentity identity = service_identity(loaded.config);
            become_forever(identity.uid, identity.gid, {identity.gid});
        }
        Expiry expiry(task, loaded.config);
        if (task.list) return expiry.list();
        if (task.client) return explain_greylist_mail(loaded.config, task.sender, *task.client);
        if (!task.explain.empty()) return explain_greylist_key(loaded.config, task.explain);
        if (task.authorise) return expiry.decide(*task.authorise, false);
        if (task.blacklist) return expiry.decide(*task.blacklist, true);
        return expiry.expire();
    } catch (const std::exception& error) {
        print_error("authexpire: {}\n", in_plain_words(error));
        return EX_TEMPFAIL;
    }
}

}  // namespace postoffice
