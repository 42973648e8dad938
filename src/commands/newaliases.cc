// newaliases, sendmail -bi: makes the alias database from the alias file. newaliases(8).
#include <sysexits.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {
namespace {

constexpr std::size_t most_octets = 16u << 20;

/// Says everything that is wrong with the file, so that one run is enough to mend it; returns how much.
std::size_t report_problems(const std::string& file, const std::vector<AliasEntry>& entries,
                            AliasPlace place) {
    std::size_t problems = 0;
    for (const AliasEntry& entry : entries) {
        const std::string problem =
            entry.problem.empty() ? alias_value_problem(entry.value, place) : entry.problem;
        if (problem.empty()) continue;
        print_error("{}:{}: {}\n", file, entry.line, problem);
        ++problems;
    }
    return problems;
}

/// Aliases of a virtual domain are read as text, so there is nothing to make: only to be looked at.
int check_domain(const Config& config, const std::string& program, const std::string& name) {
    DomainTable domains(config.vhost.dir);
    domains.refresh();
    const VirtualDomain* domain = domains.find(to_lower(name));
    if (domain == nullptr) {
        print_error("{}: {}: no such virtual host\n", program, printable(name));
        return EX_NOHOST;
    }
    const std::string file = domains.folder_of(*domain) + "/aliases";
    const Fd opened = open_domain_file(domains.folder_of(*domain), *domain, "aliases");
    const auto entries = parse_alias_file(opened ? disk::read_all(opened.get(), most_octets) : "");
    if (report_problems(file, entries, AliasPlace::domain) != 0) return EX_DATAERR;
    std::size_t longest = 0, total = 0;
    for (const AliasEntry& entry : entries) {
        longest = std::max(longest, entry.value.size());
        total += entry.value.size();
    }
    print_output("{}: {} aliases, longest {} bytes, {} bytes total\n", file, entries.size(), longest, total);
    return EX_OK;
}

int check_domains(const Config& config, const CommandLine& line) {
    int exit_code = EX_OK;
    for (const std::string& name : line.words) try {
            if (const int code = check_domain(config, line.program, name); code != EX_OK) exit_code = code;
        } catch (const std::exception& error) {
            print_error("{}: {}\n", line.program, in_plain_words(error));
            exit_code = EX_NOINPUT;
        }
    return exit_code;
}

}  // namespace

int rebuild_aliases(const Config& config, const CommandLine& line) {
    if (!line.words.empty()) return check_domains(config, line);
    const std::string& file = line.alias_file.empty() ? config.routing.aliases : line.alias_file;
    std::vector<AliasEntry> entries;
    try {
        entries = parse_alias_file(read_alias_file(file));
    } catch (const std::exception& error) {
        print_error("{}: {}\n", line.program, in_plain_words(error));
        return EX_NOINPUT;
    }
    if (report_problems(file, entries, AliasPlace::host) != 0) {
        print_error("{}: {} is left as it was\n", line.program, alias_database(file));
        return EX_DATAERR;
    }
    try {
        const AliasStatistics made = build_alias_database(file, entries);
        print_output("{}: {} aliases, longest {} bytes, {} bytes total\n", file, made.aliases, made.longest,
                     made.total);
        return EX_OK;
    } catch (const std::exception& error) {
        print_error("{}: {}\n", line.program, in_plain_words(error));
        return EX_CANTCREAT;
    }
}

}  // namespace postoffice
