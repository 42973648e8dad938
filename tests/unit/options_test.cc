// The option table against itself, against Config's own defaults, and against its two documents.
#include "postoffice/config/options.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "postoffice/base/text.h"
#include "postoffice/config/build.h"

namespace postoffice {
namespace {

using Defaults = std::map<std::string, std::string>;  // "" = unset

std::vector<std::string> lines_of(const std::string& path) {
    // The unit tests run in the top folder of the tree, as `make check` does.
    std::ifstream file(path);
    EXPECT_TRUE(file) << path << " is missing: run the tests from the top folder";
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

Defaults table_defaults() {
    // Those that configure.sh may have been told otherwise; `make install` puts them into the documents.
    const Defaults configured{{"queue-dir", "/var/spool/postoffice"},
                              {"vhost-dir", ""},
                              {"vhost-spool", "/var/spool/virtual"},
                              {"vhost-user", "mail"}};
    Defaults defaults = configured;
    for (const auto& option : option_table()) defaults.try_emplace(std::string(option.name), option.fallback);
    return defaults;
}

/// "#name=value" lines; all other text starts with "# " or is "#" and a tab.
Defaults sample_defaults() {
    Defaults defaults;
    for (const auto& line : lines_of("postoffice.cf.sample")) {
        const auto equals = line.find('=');
        if (line.size() < 2 || line[0] != '#' || line[1] < 'a' || line[1] > 'z' || equals == line.npos)
            continue;
        const auto value = line.substr(equals + 1);
        const auto [at, is_new] =
            defaults.emplace(line.substr(1, equals - 1), value == "(unset)" ? "" : value);
        EXPECT_TRUE(is_new) << at->first << " stands twice in the sample";
    }
    return defaults;
}

struct Documented {
    Defaults defaults;
    std::set<std::string> repeatable;
};

/// ".It Cm NAME Ns = ... Pq default : Ql VALUE , No repeatable"
Documented manual_options() {
    Documented manual;
    constexpr std::string_view start = ".It Cm ";
    constexpr std::string_view mark = "Pq default : ";
    for (const auto& line : lines_of("man/postoffice.cf.5")) {
        if (!line.starts_with(start)) continue;
        auto rest = std::string_view(line).substr(start.size());
        const std::string name(take_until(rest, ' '));
        const auto at = rest.find(mark);
        EXPECT_NE(at, rest.npos) << line;
        if (at == rest.npos) continue;
        rest.remove_prefix(at + mark.size());
        if (rest.ends_with(" , No repeatable")) {
            manual.repeatable.insert(name);
            rest.remove_suffix(std::string_view(" , No repeatable").size());
        }
        EXPECT_TRUE(rest == "unset" || rest.starts_with("Ql ")) << line;
        manual.defaults[name] = rest == "unset" ? "" : std::string(rest.substr(3));
    }
    return manual;
}

TEST(OptionTable, AgreesWithTheSample) {
    EXPECT_EQ(table_defaults(), sample_defaults());
}

TEST(OptionTable, AgreesWithTheManual) {
    const auto manual = manual_options();
    EXPECT_EQ(table_defaults(), manual.defaults);
    for (const auto& option : option_table())
        EXPECT_EQ(option.repeatable, manual.repeatable.contains(std::string(option.name))) << option.name;
}

TEST(OptionTable, RootOnlyOptionsAreListedInTheManual) {
    std::set<std::string> root_only;
    for (const auto& option : option_table())
        if (option.set_by == SetBy::root) root_only.insert(std::string(option.name));
    EXPECT_EQ(root_only, (std::set<std::string>{"trusted", "forbidden", "spam", "coal-command", "relay-host",
                                                "forward-all", "usermap"}));
    const auto lines = lines_of("man/postoffice.cf.5");
    const auto start = std::find(lines.begin(), lines.end(), "of ordinary users:");
    ASSERT_NE(start, lines.end());
    for (auto line = start + 1; line != lines.end() && (*line == "and" || line->starts_with(".Cm ")); ++line)
        if (*line != "and") root_only.erase(std::string(split(*line, ' ')[1]));
    EXPECT_TRUE(root_only.empty()) << *root_only.begin();
}

TEST(OptionTable, DefaultsAreThoseOfConfig) {
    LoadedConfig spelled;
    for (const auto& option : option_table()) {
        if (option.fallback.empty()) continue;
        EXPECT_EQ(option.set(spelled.config, option.fallback), "") << option.name;
    }
    LoadedConfig plain;
    complete_config(spelled);
    complete_config(plain);
    EXPECT_TRUE(plain.problems.empty());
    EXPECT_TRUE(spelled.config == plain.config);
}

TEST(OptionTable, VirtualDomainsAreWhereTheBuildSays) {
    LoadedConfig plain;
    complete_config(plain);
    EXPECT_EQ(plain.config.vhost_dir, default_vhost_dir());
    EXPECT_EQ(plain.config.vhost_spool, default_vhost_spool());
    EXPECT_EQ(plain.config.vhost_user, default_vhost_user());
    EXPECT_EQ(find_option("vhost-dir")->fallback, default_vhost_dir());
    EXPECT_EQ(find_option("vhost-spool")->fallback, default_vhost_spool());
    EXPECT_EQ(find_option("vhost-user")->fallback, default_vhost_user());
}

TEST(OptionTable, VhostUserMayHaveAGroup) {
    const Option& option = *find_option("vhost-user");
    for (const std::string good : {"mail", "mail:mail", "mail.mail", "8:8", "8", "v.mail", "v.mail:users"}) {
        Config config;
        EXPECT_EQ(option.set(config, good), "") << good;
        EXPECT_EQ(config.vhost_user, good);
    }
    for (const std::string bad :
         {"", "root", "0", "root:mail", "mail:root", "mail:0", "mail:", ":mail", "a:b:c", "a b"}) {
        Config config;
        EXPECT_NE(option.set(config, bad), "") << bad;
        EXPECT_EQ(config.vhost_user, "");
    }
}

TEST(OptionTable, IsWellFormed) {
    std::set<std::string_view> names;
    for (const auto& option : option_table()) {
        EXPECT_TRUE(names.insert(option.name).second) << option.name;
        EXPECT_EQ(option.repeatable, option.clear != nullptr) << option.name;
        EXPECT_EQ(option.repeatable, option.type.starts_with("list of ") && option.name != "retry")
            << option.name;
        ASSERT_NE(option.set, nullptr) << option.name;
        EXPECT_FALSE(option.meaning.empty()) << option.name;
        EXPECT_EQ(find_option(option.name), &option);
    }
}

TEST(OptionTable, EveryOptionRefusesGarbage) {
    for (const auto& option : option_table()) {
        Config config;
        EXPECT_NE(option.set(config, std::string_view("\0 /../ \xff", 8)), "") << option.name;
    }
}

TEST(OptionNames, OldSpellingsAndLaterNamesAreKnown) {
    EXPECT_EQ(find_option("self"), find_option("hostname"));
    EXPECT_TRUE(is_option_name("self"));
    EXPECT_TRUE(is_option_name("mxpool"));
    EXPECT_EQ(find_option("mxpool"), nullptr);
    EXPECT_FALSE(is_option_name("db"));
    EXPECT_FALSE(is_option_name(""));
}

TEST(OptionNames, SuggestWhatWasMeant) {
    EXPECT_EQ(explain_unknown_option("relayhost"), "unknown option \"relayhost\"; did you mean relay-host?");
    EXPECT_EQ(explain_unknown_option("Queue_Dir"), "unknown option \"Queue_Dir\"; did you mean queue-dir?");
    EXPECT_EQ(explain_unknown_option("-orelay"),
              "unknown option \"-orelay\"; write relay without the hyphen of the command line");
    EXPECT_EQ(explain_unknown_option("mxpool"), "mxpool is not available in this version");
    EXPECT_EQ(explain_unknown_option("xy"), "unknown option \"xy\"");
    EXPECT_EQ(explain_unknown_option(""), "the name of the option is missing");
    const std::string long_name(100000, 'a');
    EXPECT_LT(explain_unknown_option(long_name).size(), 200U);
}

}  // namespace
}  // namespace postoffice
