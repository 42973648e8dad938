// newaliases, sendmail -bi: makes the alias database from the alias file. newaliases(8).
#include <fmt/format.h>
#include <sysexits.h>

#include <cstdio>
#include <exception>

#include "postoffice/commands/commands.h"
#include "postoffice/mail/aliases.h"

namespace postoffice {
namespace {

/// Says everything that is wrong with the file, so that one run is enough to mend it; returns how much.
std::size_t report_problems(const std::string& file, const std::vector<AliasEntry>& entries) {
    std::size_t problems = 0;
    for (const AliasEntry& entry : entries) {
        const std::string problem = entry.problem.empty() ? alias_value_problem(entry.value) : entry.problem;
        if (problem.empty()) continue;
        fmt::print(stderr, "{}:{}: {}\n", file, entry.line, problem);
        ++problems;
    }
    return problems;
}

}  // namespace

int rebuild_aliases(const Config& config, const CommandLine& line) {
    if (!line.words.empty()) {
        for (const std::string& host : line.words)
            fmt::print(stderr, "{}: {}: no such virtual host\n", line.program, host);
        return EX_NOHOST;
    }
    const std::string& file = line.alias_file.empty() ? config.aliases : line.alias_file;
    std::vector<AliasEntry> entries;
    try {
        entries = parse_alias_file(read_alias_file(file));
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", line.program, error.what());
        return EX_NOINPUT;
    }
    if (report_problems(file, entries) != 0) {
        fmt::print(stderr, "{}: {}.db is left as it was\n", line.program, file);
        return EX_DATAERR;
    }
    try {
        const AliasStatistics made = build_alias_database(file, entries);
        fmt::print("{}: {} aliases, longest {} bytes, {} bytes total\n", file, made.aliases, made.longest,
                   made.total);
        return std::fflush(stdout) == 0 ? EX_OK : EX_IOERR;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", line.program, error.what());
        return EX_CANTCREAT;
    }
}

}  // namespace postoffice
