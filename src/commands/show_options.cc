// postoffice -P: the options in force, one a line, each with where it was set. The output is a configuration
// file that its caller may use: a default that only root can set is a comment for others.
#include <unistd.h>

#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"

namespace postoffice {
namespace {

void print_option(std::string_view name, std::string_view value, std::string_view where) {
    print_output("{:<40} # {}\n", printable(fmt::format("{}={}", name, value)), printable(where));
}

}  // namespace

int show_options(const LoadedConfig& loaded, const CommandLine& line) {
    const bool only_changed = line.only_changed;  // -n
    for (const Option& option : option_table()) {
        bool is_set = false;
        for (const SetOption& set : loaded.set) {
            if (set.option != &option) continue;
            is_set = true;
            if (!only_changed || set.value != option.fallback)
                print_option(option.name, set.value, set.where);
        }
        if (is_set || only_changed) continue;
        if (option.set_by == SetBy::root && ::getuid() != 0)
            print_output("#{:<39} # default, for root to set\n",
                         fmt::format("{}={}", option.name, option.fallback));
        else if (option.fallback.empty() && option.clear != nullptr)
            print_output("#{:<39} # unset\n", fmt::format("{}=", option.name));
        else
            print_option(option.name, option.fallback, "default");
    }
    return 0;
}

}  // namespace postoffice
