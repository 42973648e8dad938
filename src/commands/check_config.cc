// sendmail -bC, postoffice check: would a server start with this configuration? Reads it and looks at what it
// names as the start does, and tells all that is wrong.
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/options.h"
#include "postoffice/daemon/service_identity.h"
#include "postoffice/daemon/start_check.h"

namespace postoffice {

int check_config(const CommandLine& line) {
    const auto source = config_source(minus_c(line), line.settings);
    auto loaded = load_config(source);
    loaded.config.only_user = only_user_of(loaded.config);
    const StartCheck start = loaded.problems.empty() ? check_start(loaded) : StartCheck{};

    for (const auto& problems : {loaded.problems, start.problems})
        for (const auto& problem : problems) print_error("{}\n", printable(problem.text));
    for (const auto& notices : {loaded.notices, start.notices})
        for (const auto& notice : notices) print_error("{} (a notice)\n", printable(notice));
    for (const auto& thing : start.unchecked)
        print_error("{} (not checked: root alone can)\n", printable(thing));
    if (!loaded.problems.empty()) return loaded.exit_code();
    if (!start.problems.empty()) return start.problems.front().exit_code;
    if (loaded.config.file.empty())
        print_output("configuration is fine (there is no {}, defaults are used)\n", printable(source.file));
    else
        print_output("configuration is fine\n");
    return 0;
}

}  // namespace postoffice
