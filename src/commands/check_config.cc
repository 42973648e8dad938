// sendmail -bC: is the configuration usable? Reads it as the daemon would and tells all that is wrong with
// it.

#include <cstdio>

#include "postoffice/base/output.h"
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

    for (const auto& problem : loaded.problems) print_error("{}\n", printable(problem.text));
    for (const auto& notice : loaded.notices) print_error("{} (a notice)\n", printable(notice));
    if (const auto exposure = exposure_of_key(loaded.config))
        print_error("{} (a notice)\n", printable(*exposure));
    if (loaded.problems.empty()) {
        if (loaded.config.file.empty())
            print_output("configuration is fine (there is no {}, defaults are used)\n", printable(source.file));
        else
            print_output("configuration is fine\n");
    }
    return loaded.exit_code();
}

}  // namespace postoffice
