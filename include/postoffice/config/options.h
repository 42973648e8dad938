// The option table, and the parser that fills a Config from postoffice.cf and from -o. Every option is in the
// table once: name, type, default, meaning, permission; tests compare postoffice.cf(5) and the sample with
// it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "postoffice/config/config.h"

namespace postoffice {

/// The permission that setting an option takes. What is refused ends with exit 77.
enum class SetBy {
    any_user,  ///< all users, with -o
    file,      ///< ordinary users in an instance of their own: in a file given with -C, or in -o beside one
    root,      ///< root alone, since it changes where other people's mail goes
};

struct Option {
    std::string_view name;
    std::string_view type;  ///< "flag", "number", "size", "time", "list of times", "text", "path", "host", …
    std::string_view fallback;  ///< the default, as a configuration file would have it; empty = unset
    std::string_view meaning;   ///< one line
    SetBy set_by = SetBy::file;
    bool repeatable = false;
    /// Stores the value (adds it, if repeatable); returns what is wrong with it, or "".
    std::string (*set)(Config&, std::string_view value) = nullptr;
    /// What an empty value does, for an option that may have one and for which it is not a value of its own:
    /// a list loses its entries, a path is unset, "retry" has its default.
    void (*clear)(Config&) = nullptr;
    /// Gives the option its default; a list has no entries then.
    void reset(Config& config) const;

    /// True if the name alone means name=1.
    bool may_be_bare() const { return type.starts_with("flag"); }
};

std::span<const Option> option_table();
/// The option of this name or of this older spelling; nullptr if there is none.
const Option* find_option(std::string_view name);
/// What `value` is called in an option of today, where an older spelling meant the same by less.
std::string value_today(std::string_view name, std::string_view value);
/// True for names in the table and their old spellings, and for names that a later version will have.
bool is_option_name(std::string_view name);
/// Why `name` is no option, and what may have been meant.
std::string explain_unknown_option(std::string_view name);

/// A configuration that cannot be used; `text` has "file:line: what is wrong; did you mean …".
struct ConfigProblem {
    int exit_code = 78;  ///< 66 no such file, 72 file not safe, 77 root only, 78 anything else
    std::string text;
};

/// An option that was set, and still counts: no later line or -o has replaced it.
struct SetOption {
    const Option* option = nullptr;
    std::string value;  ///< as the option of today has it; a list has one of these for each entry
    std::string where;  ///< "FILE:LINE" or "-oNAME"
};

struct LoadedConfig {
    Config config;
    std::string text;            ///< of the file, as it was read; empty if none was
    bool is_copy = false;        ///< from load_accepted_config(): the file itself is at fault
    std::vector<SetOption> set;  ///< in order of the option's first mention by the source that counts
    std::vector<ConfigProblem> problems;  ///< all of them, in order of discovery; empty = usable
    std::vector<std::string> notices;     ///< allowed, but perhaps not meant: an old spelling, an open relay

    /// What to exit with: 0 if usable.
    int exit_code() const { return problems.empty() ? 0 : problems.front().exit_code; }
};

struct ConfigSource {
    std::string file;  ///< path; the default one may be missing, one that was asked for may not
    bool file_was_asked_for = false;
    std::vector<std::pair<std::string, std::string>> settings;  ///< from -o, applied after the file
    bool caller_is_root = false;
    bool file_must_exist = false;  ///< a server that has read the default file does not go on without it
};

/// What the process was asked to read: the file of -C, else of $POSTOFFICE_CONFIG (which a set-gid executable
/// ignores), else the default one. Relative paths count from the current directory.
ConfigSource config_source(const std::optional<std::string>& file_of_minus_c,
                           std::vector<std::pair<std::string, std::string>> settings);

/// Reads the file, then the settings, then fills in what depends on others (host name, control socket,
/// listen). Does not throw.
LoadedConfig load_config(const ConfigSource& source);

/// Applies the text of a configuration file: one `name=value` a line; `file` is only for messages.
void apply_config_text(LoadedConfig& loaded, const ConfigSource& source, std::string_view text);
/// Applies -o settings.
void apply_settings(LoadedConfig& loaded, const ConfigSource& source);
/// Fills in what depends on several options and checks that they fit together.
void complete_config(LoadedConfig& loaded);

}  // namespace postoffice
