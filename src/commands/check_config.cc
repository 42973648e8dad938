// sendmail -bC: is the configuration usable? Reads it as the daemon would and tells all that is wrong with
// it.
#include <fmt/format.h>

#include <cstdio>

#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/options.h"
#include "postoffice/net/tls_key.h"

namespace postoffice {

int check_config(const CommandLine& line) {
    std::optional<std::string> file;
    if (line.config_file_given) file = line.config_file;
    const auto source = config_source(file, line.settings);
    const auto loaded = load_config(source);

    for (const auto& problem : loaded.problems) fmt::print(stderr, "{}\n", printable(problem.text));
    for (const auto& notice : loaded.notices) fmt::print(stderr, "{} (a notice)\n", printable(notice));
    if (const auto exposure = exposure_of_key(loaded.config))
        fmt::print(stderr, "{} (a notice)\n", printable(*exposure));
    if (loaded.problems.empty()) {
        if (loaded.config.file.empty())
            fmt::print("configuration is fine (there is no {}, defaults are used)\n", printable(source.file));
        else
            fmt::print("configuration is fine\n");
    }
    return loaded.exit_code();
}

}  // namespace postoffice
