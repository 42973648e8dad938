// Reading: file, then settings, each line and each -o applied through the option table. Nothing stops at the
// first mistake: all of them are reported.
#include "postoffice/config/config_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "postoffice/base/privileges.h"
#include "postoffice/base/text.h"
#include "postoffice/config/build.h"
#include "postoffice/config/options.h"

namespace postoffice {

namespace {

constexpr int bad_config = 78;          // EX_CONFIG
constexpr int root_only = 77;           // EX_NOPERM
constexpr std::size_t most_told = 100;  ///< problems kept of one configuration

/// Applies the settings of one source: the file, or the command line.
class Applier {
  public:
    Applier(LoadedConfig& loaded, const ConfigSource& source, bool from_file)
        : loaded_(loaded), source_(source), from_file_(from_file) {}

    /// `where`: "FILE:LINE" or "-oNAME". A bare name has no value.
    void apply(const std::string& where, std::string_view name, std::optional<std::string_view> value) {
        const auto* option = find_option(name);
        if (!option) return problem(where, explain_unknown_option(name));
        if (option->name != name)
            notice(where, fmt::format("{} is an old spelling of {}", name, option->name));
        if (!allowed(*option))
            return problem(where, fmt::format("{} can be set by root only", option->name), root_only);
        if (!value && !option->may_be_bare())
            return problem(where,
                           fmt::format("{} needs a value ({}): {}", name, option->type, option->meaning));
        if (const auto text = value.value_or("1"); printable(text) != text)
            return problem(where, fmt::format("{}: control characters in \"{}\"", name, printable(text)));

        remember(where, *option);
        if (option->clear != nullptr && value && value->empty()) return clear(*option);
        const std::string today = value_today(name, value.value_or("1"));
        const auto wrong = option->set(loaded_.config, today);
        if (!wrong.empty()) return problem(where, fmt::format("{}: {}", name, wrong));
        if (!option->repeatable) forget(*option);
        loaded_.set.push_back({option, today, where});
    }

    void problem(const std::string& where, const std::string& text, int exit_code = bad_config) {
        if (loaded_.problems.size() < most_told)
            loaded_.problems.push_back({exit_code, fmt::format("{}: {}", where, text)});
    }

  private:
    void notice(const std::string& where, const std::string& text) {
        if (loaded_.notices.size() < most_told) loaded_.notices.push_back(fmt::format("{}: {}", where, text));
    }

    bool allowed(const Option& option) const {
        if (source_.caller_is_root || option.set_by == SetBy::any_user) return true;
        if (from_file_ && !source_.file_was_asked_for) return true;  // root wrote it
        return option.set_by == SetBy::file && source_.file_was_asked_for;
    }

    void clear(const Option& option) {
        option.reset(loaded_.config);
        forget(option);
    }

    void forget(const Option& option) {
        std::erase_if(loaded_.set, [&](const SetOption& set) { return set.option == &option; });
    }

    /// The first mention of a list in this source replaces what earlier sources said; the second mention of
    /// anything else gets a notice, since only the last counts.
    void remember(const std::string& where, const Option& option) {
        const auto [first, is_first] = seen_.emplace(option.name, where);
        if (option.repeatable) {
            if (is_first) clear(option);
        } else if (!is_first && from_file_) {
            notice(where, fmt::format("{} replaces the value from {}", option.name, first->second));
            first->second = where;
        }
    }

    LoadedConfig& loaded_;
    const ConfigSource& source_;
    bool from_file_;
    std::map<std::string_view, std::string> seen_;  ///< option and where it was set first
};

/// Without what follows a '#' at the start or after a blank.
std::string_view without_comment(std::string_view line) {
    for (std::size_t at = line.find('#'); at != line.npos; at = line.find('#', at + 1))
        if (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t') return line.substr(0, at);
    return line;
}

}  // namespace

ConfigSource config_source(const std::optional<std::string>& file_of_minus_c,
                           std::vector<std::pair<std::string, std::string>> settings) {
    ConfigSource source;
    source.settings = std::move(settings);
    source.caller_is_root = ::getuid() == 0;
    const char* environment = ::secure_getenv("POSTOFFICE_CONFIG");
    source.file_was_asked_for = file_of_minus_c.has_value() || (environment && *environment);
    source.file = !source.file_was_asked_for ? default_config_file()
                  : file_of_minus_c          ? *file_of_minus_c
                                             : environment;
    return source;
}

void apply_config_text(LoadedConfig& loaded, const ConfigSource& source, std::string_view text) {
    text = without_byte_order_mark(text);
    Applier applier(loaded, source, true);
    std::size_t number = 0;
    while (!text.empty()) {
        const auto line = trim(without_comment(read_until(text, '\n')));
        ++number;
        if (line.empty()) continue;
        const auto equals = line.find('=');
        std::optional<std::string_view> value;
        if (equals != line.npos) value = trim(line.substr(equals + 1));
        applier.apply(fmt::format("{}:{}", source.file, number), trim(line.substr(0, equals)), value);
    }
}

void apply_settings(LoadedConfig& loaded, const ConfigSource& source) {
    Applier applier(loaded, source, false);
    for (const auto& [name, value] : source.settings)
        applier.apply(fmt::format("-o{}", printable(name)), name, value);
}

LoadedConfig load_config(const ConfigSource& source) {
    LoadedConfig loaded;
    // The default file is believed if root wrote it. A caller's own file can do no harm where the executable
    // lends no privilege, which main() has given up when -C is used.
    const bool own_file = source.file_was_asked_for || !has_executable_privileges();
    const auto file = read_trusted_file(source.file, own_file ? ::getuid() : 0);
    if (file.exit_code == 0) {
        loaded.config.file = source.file;
        loaded.config.file_was_asked_for = source.file_was_asked_for;
        loaded.text = file.text;
        apply_config_text(loaded, source, file.text);
    } else if (file.exit_code != 66 || source.file_was_asked_for || source.file_must_exist ||
               ::access(source.file.c_str(), F_OK) == 0) {
        loaded.problems.push_back({file.exit_code, fmt::format("{}: {}", source.file, file.problem)});
    }
    apply_settings(loaded, source);
    complete_config(loaded);
    return loaded;
}

}  // namespace postoffice
