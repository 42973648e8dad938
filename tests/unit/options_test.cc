// The option table against itself, against Config's own defaults, and against its two documents.
#include "postoffice/config/options.h"

#include <fmt/format.h>
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
        const std::string name(read_until(rest, ' '));
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
    EXPECT_EQ(root_only,
              (std::set<std::string>{"trusted", "forbidden", "spam", "av", "coal-command", "relay-host",
                                     "forward-all", "usermap", "routes", "sender-relay", "relay-domains",
                                     "relay-password-file", "relay-token-command"}));
    const auto lines = lines_of("man/postoffice.cf.5");
    const auto start = std::find(lines.begin(), lines.end(), "of ordinary users:");
    ASSERT_NE(start, lines.end());
    for (auto line = start + 1; line != lines.end() && (*line == "and" || line->starts_with(".Cm ")); ++line)
        if (*line != "and") root_only.erase(std::string(split(*line, ' ')[1]));
    EXPECT_TRUE(root_only.empty()) << *root_only.begin();
}

TEST(OptionTable, EveryDefaultIsAValueOfItsOption) {
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

TEST(OptionTable, EveryOptionHasItsDefaultInANewConfig) {
    const Config config;
    EXPECT_EQ(config.identity.user, "postoffice");
    EXPECT_EQ(config.limits.size, 50U << 20);
    EXPECT_EQ(config.limits.rate_connections, (RateLimit{120, Seconds{60}}));
    EXPECT_EQ(config.queue.retry.size(), 7U);
    EXPECT_TRUE(config.access.verify_from && config.local.dot_lock && !config.access.relay);
    EXPECT_FALSE(config.local.transport || !config.remote.relay_hosts.empty());
    EXPECT_EQ(config.routing.delivery_files, (std::vector<std::string>{".forward"}));
}

TEST(OptionTable, VirtualDomainsAreWhereTheBuildSays) {
    LoadedConfig plain;
    complete_config(plain);
    EXPECT_EQ(plain.config.vhost.dir, default_vhost_dir());
    EXPECT_EQ(plain.config.vhost.spool, default_vhost_spool());
    EXPECT_EQ(plain.config.vhost.user.to_string(), default_vhost_user());
    EXPECT_EQ(find_option("vhost-dir")->fallback, default_vhost_dir());
    EXPECT_EQ(find_option("vhost-spool")->fallback, default_vhost_spool());
    EXPECT_EQ(find_option("vhost-user")->fallback, default_vhost_user());
}

TEST(OptionTable, VhostUserMayHaveAGroup) {
    const Option& option = *find_option("vhost-user");
    for (const std::string good : {"mail", "mail:mail", "mail.mail", "8:8", "8", "v.mail", "v.mail:users"}) {
        Config config;
        EXPECT_EQ(option.set(config, good), "") << good;
        EXPECT_EQ(config.vhost.user.to_string(), good);
    }
    for (const std::string bad :
         {"", "root", "0", "root:mail", "mail:root", "mail:0", "mail:", ":mail", "a:b:c", "a b"}) {
        Config config;
        EXPECT_NE(option.set(config, bad), "") << bad;
        EXPECT_EQ(config, Config{});
    }
}

TEST(OptionTable, IsWellFormed) {
    std::set<std::string_view> names;
    for (const auto& option : option_table()) {
        EXPECT_TRUE(names.insert(option.name).second) << option.name;
        EXPECT_TRUE(!option.repeatable || option.clear != nullptr) << option.name;
        EXPECT_EQ(option.repeatable, option.type.starts_with("list of ") && option.name != "retry")
            << option.name;
        ASSERT_NE(option.set, nullptr) << option.name;
        EXPECT_FALSE(option.meaning.empty()) << option.name;
        EXPECT_EQ(find_option(option.name), &option);
    }
}

/// A value for each option that an empty one undoes.
const std::map<std::string_view, std::string_view> some_values{{"local-domain", "a.example"},
                                                               {"trusted", "[192.0.2.7]"},
                                                               {"home-mailbox", "Maildir/"},
                                                               {"control", "/run/control"},
                                                               {"listen", "127.0.0.1:2525"},
                                                               {"pop3", "127.0.0.1:2110"},
                                                               {"pop3s", "127.0.0.1:2995"},
                                                               {"tls-certificate", "/etc/cert.pem"},
                                                               {"tls-key", "/etc/key.pem"},
                                                               {"vhost-dir", "/srv/virtual"},
                                                               {"etrn", "etrn.example"},
                                                               {"dnsbl", "list.example"},
                                                               {"dnswl", "good.example"},
                                                               {"no-soliciting", "org.example:ADV"},
                                                               {"filter", "/run/filter"},
                                                               {"policy-service", "/run/policy"},
                                                               {"av", "clamdscan -"},
                                                               {"coal-command", "/bin/true"},
                                                               {"proxy", "192.0.2.8"},
                                                               {"usermap", "*=~:~"},
                                                               {"nameserver", "192.0.2.53"},
                                                               {"relay-host", "x.example"},
                                                               {"routes", "/etc/routes"},
                                                               {"sender-relay", "/etc/senders"},
                                                               {"relay-domains", "x.example"},
                                                               {"relay-password-file", "/etc/p"},
                                                               {"relay-token-command", "/bin/t"},
                                                               {"retry", "1h"},
                                                               {"trusted-users", "www-data"},
                                                               {"remote-tls-policy", "/etc/tls"},
                                                               {"remote-tls-authorities", "/etc/ca.pem"},
                                                               {"masquerade", "m.example"},
                                                               {"canonical", "/etc/canonical"},
                                                               {"generics", "/etc/generic"},
                                                               {"transport", "bulk helo-name=b.example"},
                                                               {"source-address", "192.0.2.9"},
                                                               {"helo-name", "h.example"},
                                                               {"srs-key", "/etc/srs"}};

TEST(OptionTable, AnEmptyValueUndoesWhateverSourceSetTheOption) {
    const std::vector<std::pair<std::string, std::string>> none;
    for (const Option& option : option_table()) {
        if (option.clear == nullptr) continue;
        ASSERT_TRUE(some_values.contains(option.name)) << option.name;
        const auto set = fmt::format("{}={}\n", option.name, some_values.at(option.name));
        const auto empty = fmt::format("{}=\n", option.name);
        const std::pair<std::string, std::string> set_here{option.name, some_values.at(option.name)};
        const std::pair<std::string, std::string> emptied_here{option.name, ""};
        struct {
            std::string file;
            std::vector<std::pair<std::string, std::string>> settings;
        } const cases[] = {{set + empty, none},
                           {set + set + empty, none},
                           {set, {emptied_here}},
                           {"", {set_here, emptied_here}},
                           {set, {set_here, emptied_here}}};
        for (const auto& one : cases) {
            const ConfigSource source{"postoffice.cf", true, one.settings, true};
            LoadedConfig loaded;
            apply_config_text(loaded, source, one.file);
            apply_settings(loaded, source);
            EXPECT_TRUE(loaded.problems.empty()) << option.name << ": " << loaded.problems.front().text;
            EXPECT_TRUE(loaded.config == Config{}) << option.name << " after " << one.file;
            EXPECT_TRUE(loaded.set.empty()) << option.name;
        }
        LoadedConfig loaded;
        apply_config_text(loaded, {"postoffice.cf", true, {}, true}, set + empty + set);
        EXPECT_FALSE(loaded.config == Config{}) << option.name;
        ASSERT_EQ(loaded.set.size(), 1U) << option.name;
        EXPECT_EQ(loaded.set.front().where, "postoffice.cf:3");
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
    EXPECT_TRUE(is_option_name("dead-letter"));
    EXPECT_EQ(find_option("dead-letter"), nullptr);
    EXPECT_FALSE(is_option_name("db"));
    EXPECT_FALSE(is_option_name(""));
}

TEST(OptionNames, SuggestWhatWasMeant) {
    EXPECT_EQ(explain_unknown_option("relayhost"), "unknown option \"relayhost\"; did you mean relay-host?");
    EXPECT_EQ(explain_unknown_option("Queue_Dir"), "unknown option \"Queue_Dir\"; did you mean queue-dir?");
    EXPECT_EQ(explain_unknown_option("-orelay"),
              "unknown option \"-orelay\"; write relay without the hyphen of the command line");
    EXPECT_EQ(explain_unknown_option("dead-letter"), "dead-letter is not available in this version");
    EXPECT_EQ(explain_unknown_option("xy"), "unknown option \"xy\"");
    EXPECT_EQ(explain_unknown_option(""), "the name of the option is missing");
    const std::string long_name(100000, 'a');
    EXPECT_LT(explain_unknown_option(long_name).size(), 200U);
}

}  // namespace
}  // namespace postoffice
