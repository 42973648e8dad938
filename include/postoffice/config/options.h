// The one option table, and the parser that fills a Config from postoffice.cf and from -o. Every option is
// here once: name, type, default, meaning, who may set it; postoffice.cf(5) and the sample are checked
// against it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/config/config.h"

namespace postoffice {

struct Option {
    std::string_view name;
    std::string_view type;      ///< "flag", "number", "size", "time", "text", "path", "list of times", …
    std::string_view fallback;  ///< the default, as one would write it
    std::string_view meaning;   ///< one line
    bool root_only = false;     ///< refused in -o and -C of ordinary users: exit 77
    bool repeatable = false;
    /// Stores the value; returns what is wrong with it, or "".
    std::function<std::string(Config&, std::string_view value)> set;
};

std::span<const Option> option_table();
/// True for names in the table and their old spellings.
bool is_option_name(std::string_view name);

/// A configuration that cannot be used; `text` has "file:line: what is wrong; did you mean …".
struct ConfigProblem {
    int exit_code = 78;  ///< 66 no such file, 72 file not safe, 77 root only, 78 anything else
    std::string text;
};

struct LoadedConfig {
    Config config;
    std::vector<ConfigProblem> problems;  ///< all of them; empty = usable
};

struct ConfigSource {
    std::string file;  ///< path; the default one may be missing, one that was asked for may not
    bool file_was_asked_for = false;
    std::vector<std::pair<std::string, std::string>> settings;  ///< from -o, applied after the file
    bool caller_is_root = false;
};

/// Reads the file, then the settings, then fills in what depends on others (host name, control socket,
/// listen). Does not throw.
LoadedConfig load_config(const ConfigSource& source);

/// Path of the configuration file unless -C says otherwise.
std::string default_config_file();

}  // namespace postoffice
