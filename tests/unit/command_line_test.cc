// The command line: every row of the option tables, and every argument vector that programs are known to use.
#include "postoffice/commands/line/command_line.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

using Words = std::vector<std::string>;

bool is_test_option(std::string_view name) {
    return name == "delay" || name == "relay-host" || name == "immediate" || name == "listen" ||
           name == "trusted";
}

/// "sendmail -t -i" with blanks between words; "''" is an empty word.
Words words_of(std::string_view text) {
    Words words;
    for (const std::string_view word : split(text, ' '))
        if (!word.empty()) words.emplace_back(word == "''" ? "" : word);
    return words;
}

ParsedCommandLine parse(std::string_view text) {
    return parse_command_line(words_of(text), is_test_option);
}

CommandLine accepted(std::string_view text) {
    const ParsedCommandLine parsed = parse(text);
    EXPECT_FALSE(parsed.error) << text << ": " << (parsed.error ? parsed.error->text : "");
    return parsed.line;
}

int refusal(std::string_view text) {
    const ParsedCommandLine parsed = parse(text);
    EXPECT_TRUE(!parsed.error || !parsed.error->text.empty());
    return parsed.error ? parsed.error->exit_code : 0;
}

TEST(CommandLineTest, name_chooses_the_mode) {
    const std::vector<std::pair<const char*, Mode>> names = {
        {"postoffice", Mode::submit},
        {"sendmail", Mode::submit},
        {"send-mail", Mode::submit},
        {"/usr/sbin/SendMail", Mode::submit},
        {"smtpd", Mode::daemon},
        {"/x/y/mailq", Mode::list_queue},
        {"MAILQ", Mode::list_queue},
        {"runq", Mode::run_queue},
        {"newaliases", Mode::rebuild_aliases},
        {"rmail", Mode::submit},
        {"hoststat", Mode::host_status},
        {"purgestat", Mode::host_status},
        {"sendmail.postoffice", Mode::submit},
    };
    for (const auto& [name, mode] : names) EXPECT_EQ(accepted(name).mode, mode) << name;
    EXPECT_EQ(accepted("/usr/lib/sendmail bob").program, "sendmail");
    EXPECT_FALSE(accepted("rmail bob").dot_ends);
    EXPECT_EQ(accepted("rmail bob").error_mode, ErrorMode::mail);
    EXPECT_EQ(parse_command_line({}, is_test_option).line.program, "postoffice");
}

TEST(CommandLineTest, options_end_at_the_first_other_word) {
    EXPECT_EQ(accepted("sendmail -i bob -t").words, (Words{"bob", "-t"}));
    EXPECT_FALSE(accepted("sendmail -i bob -t").recipients_from_header);
    EXPECT_EQ(accepted("sendmail -i -- -t").words, (Words{"-t"}));
    EXPECT_EQ(accepted("sendmail -i - -t").words, (Words{"-", "-t"}));
    EXPECT_EQ(accepted("sendmail -i '' -t").words, (Words{"", "-t"}));
}

TEST(CommandLineTest, values_are_attached_or_separate_or_empty) {
    EXPECT_EQ(accepted("sendmail -fme@x bob").sender, "me@x");
    EXPECT_EQ(accepted("sendmail -f me@x bob").sender, "me@x");
    EXPECT_EQ(accepted("sendmail -f '' bob").sender, "");
    EXPECT_EQ(accepted("sendmail -f <> bob").sender, "<>");
    EXPECT_EQ(accepted("sendmail -r me bob").sender, "me");
    EXPECT_EQ(accepted("sendmail -f one -f two -rthree bob").sender, "three") << "the last one wins";
    EXPECT_EQ(refusal("sendmail -f"), 64);
    EXPECT_EQ(refusal("sendmail -bob bob"), 64);
}

TEST(CommandLineTest, letters_cluster) {
    for (const char* text : {"sendmail -ti", "sendmail -it", "sendmail -t -i", "sendmail -vti"}) {
        const CommandLine line = accepted(text);
        EXPECT_TRUE(line.recipients_from_header) << text;
        EXPECT_FALSE(line.dot_ends) << text;
    }
    EXPECT_TRUE(accepted("sendmail -vt").verbose);
    EXPECT_EQ(accepted("sendmail -itfme").sender, "me");
}

struct Row {
    const char* text;
    std::function<bool(const CommandLine&)> holds;
};

TEST(CommandLineTest, each_option_acts) {
    const std::vector<Row> rows = {
        {"postoffice -a -bd", [](auto& l) { return l.audit; }},
        {"smtpd -a", [](auto& l) { return l.audit && l.mode == Mode::daemon; }},
        {"sendmail -B 7BIT bob", [](auto& l) { return l.eight_bit == false; }},
        {"sendmail -B8bitmime bob", [](auto& l) { return l.eight_bit == true; }},
        {"sendmail bob", [](auto& l) { return !l.eight_bit && l.dot_ends; }},
        {"sendmail -bC", [](auto& l) { return l.mode == Mode::check_config; }},
        {"sendmail -bd", [](auto& l) { return l.mode == Mode::daemon && !l.foreground && l.serve_smtp; }},
        {"sendmail -bD", [](auto& l) { return l.mode == Mode::daemon && l.foreground; }},
        {"sendmail -bdf", [](auto& l) { return l.mode == Mode::daemon && l.foreground; }},
        {"sendmail -bl", [](auto& l) { return l.mode == Mode::daemon && l.loopback_only; }},
        {"sendmail -bh", [](auto& l) { return l.mode == Mode::host_status; }},
        {"sendmail -bH", [](auto& l) { return l.mode == Mode::host_status; }},
        {"sendmail -bi h1 h2",
         [](auto& l) { return l.mode == Mode::rebuild_aliases && l.words.size() == 2; }},
        {"sendmail -I", [](auto& l) { return l.mode == Mode::rebuild_aliases; }},
        {"sendmail -bi -oA/x", [](auto& l) { return l.alias_file == "/x"; }},
        {"mailq -bm bob", [](auto& l) { return l.mode == Mode::submit; }},
        {"newaliases -bp", [](auto& l) { return l.mode == Mode::list_queue; }},
        {"sendmail -bpc", [](auto& l) { return l.mode == Mode::count_queue; }},
        {"sendmail -bP", [](auto& l) { return l.mode == Mode::count_queue; }},
        {"sendmail -bq", [](auto& l) { return l.mode == Mode::run_queue; }},
        {"sendmail -bq bob", [](auto& l) { return l.mode == Mode::submit && l.queue_only; }},
        {"sendmail -bq -t", [](auto& l) { return l.mode == Mode::submit && l.queue_only; }},
        {"postoffice -bq", [](auto& l) { return l.mode == Mode::run_queue; }},
        {"sendmail -bs", [](auto& l) { return l.mode == Mode::serve_stdio; }},
        {"sendmail -bt bob", [](auto& l) { return l.mode == Mode::explain; }},
        {"sendmail -bt --json bob", [](auto& l) { return l.json; }},
        {"sendmail -bv bob", [](auto& l) { return l.mode == Mode::verify; }},
        {"sendmail -bV", [](auto& l) { return l.mode == Mode::show_version; }},
        {"sendmail -C /etc/x bob",
         [](auto& l) { return l.config_file == "/etc/x" && minus_c(l) == "/etc/x"; }},
        {"sendmail bob", [](auto& l) { return !minus_c(l); }},
        {"smtpd -D /tmp/log -d", [](auto& l) { return l.debug_file == "/tmp/log" && l.debug; }},
        {"smtpd -d", [](auto& l) { return l.debug && l.foreground; }},
        {"sendmail -d bob", [](auto& l) { return !l.debug && !l.foreground; }},
        {"sendmail -d0", [](auto& l) { return l.mode == Mode::show_version; }},
        {"sendmail -d0.15 bob", [](auto& l) { return l.mode == Mode::submit && l.version_first; }},
        {"sendmail -d0 -t", [](auto& l) { return l.mode == Mode::submit && l.version_first; }},
        {"sendmail -d0-99.1 bob", [](auto& l) { return !l.version_first; }},
        {"sendmail -d21.12 bob", [](auto& l) { return !l.version_first; }},
        {"sendmail -em bob", [](auto& l) { return l.error_mode == ErrorMode::mail && l.error_mode_given; }},
        {"sendmail -e q bob", [](auto& l) { return l.error_mode == ErrorMode::quiet; }},
        {"sendmail -F Name bob", [](auto& l) { return l.full_name == "Name"; }},
        {"sendmail -G bob", [](auto& l) { return l.gateway; }},
        {"sendmail -i bob", [](auto& l) { return !l.dot_ends; }},
        {"sendmail -oi bob", [](auto& l) { return !l.dot_ends; }},
        {"sendmail -oitrue bob", [](auto& l) { return !l.dot_ends; }},
        {"sendmail -oifalse bob", [](auto& l) { return l.dot_ends; }},
        {"sendmail -o i bob", [](auto& l) { return !l.dot_ends && l.words == Words{"bob"}; }},
        {"sendmail -L tag bob", [](auto& l) { return l.log_tag == "tag"; }},
        {"sendmail -L 0123456789012345678901234567890123456789 bob",
         [](auto& l) { return l.log_tag.size() == 32; }},
        {"sendmail -N never bob", [](auto& l) { return l.dsn_notify == "never"; }},
        {"sendmail -NSuccess,DELAY bob", [](auto& l) { return l.dsn_notify == "success,delay"; }},
        {"sendmail -n bob", [](auto& l) { return l.no_aliasing; }},
        {"sendmail -p SMTP:host bob", [](auto& l) { return l.protocol == "SMTP:host"; }},
        {"sendmail -R full bob", [](auto& l) { return l.dsn_return == "full"; }},
        {"sendmail -RHDRS bob", [](auto& l) { return l.dsn_return == "hdrs"; }},
        {"smtpd -bs -R 192.0.2.1", [](auto& l) { return l.client_address == "192.0.2.1"; }},
        {"sendmail -t", [](auto& l) { return l.recipients_from_header; }},
        {"sendmail -V", [](auto& l) { return l.mode == Mode::show_version; }},
        {"postoffice -V x", [](auto& l) { return l.mode == Mode::show_version; }},
        {"mailq -V", [](auto& l) { return l.mode == Mode::show_version; }},
        {"sendmail -V QQ+2B314 bob",
         [](auto& l) { return l.envelope_id == "QQ+2B314" && l.words == Words{"bob"}; }},
        {"sendmail -VQQ314 bob", [](auto& l) { return l.envelope_id == "QQ314" && l.words == Words{"bob"}; }},
        {"sendmail -v bob", [](auto& l) { return l.verbose; }},
        {"sendmail -ov bob", [](auto& l) { return l.verbose; }},
        {"sendmail -X /tmp/x bob", [](auto& l) { return l.traffic_file == "/tmp/x"; }},
        {"sendmail --version", [](auto& l) { return l.mode == Mode::show_version; }},
        {"mailq --help", [](auto& l) { return l.mode == Mode::show_help; }},
        {"newaliases -t --help", [](auto& l) { return l.mode == Mode::show_help; }},
    };
    for (const Row& row : rows) EXPECT_TRUE(row.holds(accepted(row.text))) << row.text;
}

TEST(CommandLineTest, options_of_other_mailers_are_ignored) {
    for (const char* text : {"-Ac",
                             "-Am",
                             "-A c",
                             "-c",
                             "-E",
                             "-Ekanji",
                             "-J",
                             "-Jx",
                             "-h 3",
                             "-h3",
                             "-m",
                             "-om",
                             "-s",
                             "-T 5",
                             "-T5m",
                             "-U",
                             "-x",
                             "-o7",
                             "-o8",
                             "-oo",
                             "-oT1h",
                             "-oX15",
                             "-omsp",
                             "-or15m",
                             "-or0s",
                             "-or 0s",
                             "-os 5m",
                             "-MXvalue",
                             "-OTimeout.queuewarn=4h",
                             "-O Nonsense=1",
                             "-oZ"}) {
        const CommandLine line = accepted(std::string("sendmail ") + text + " -t bob");
        EXPECT_EQ(line.mode, Mode::submit) << text;
        EXPECT_EQ(line.words, Words{"bob"}) << text;
        EXPECT_TRUE(line.recipients_from_header) << text;
        EXPECT_TRUE(line.settings.empty() && line.dot_ends) << text;
    }
}

TEST(CommandLineTest, refused_with_64) {
    for (const char* text : {"sendmail -a bob",
                             "mailq -a",
                             "sendmail -B 9BIT bob",
                             "sendmail -ba",
                             "sendmail -bS",
                             "sendmail -bx",
                             "sendmail -b",
                             "sendmail -b ''",
                             "sendmail -h x bob",
                             "sendmail -h -1 bob",
                             "sendmail -N sometimes bob",
                             "sendmail -N never,delay bob",
                             "sendmail -N '' bob",
                             "sendmail -R some bob",
                             "sendmail -R 192.0.2.1 -bs",
                             "smtpd -R 192.0.2.1",
                             "sendmail -V a=b bob",
                             "sendmail -V a+b bob",
                             "sendmail -V '' bob",
                             "sendmail -XV bob",
                             "sendmail -XV+= bob",
                             "sendmail -z x bob",
                             "sendmail -tls-on-connect",
                             "sendmail -k bob",
                             "sendmail --nonsense",
                             "sendmail -e x bob",
                             "sendmail -e '' bob",
                             "sendmail -odx bob",
                             "sendmail -t -bp",
                             "sendmail -q -bs",
                             "sendmail -bs -bd",
                             "sendmail -q -t",
                             "sendmail -q bob",
                             "sendmail -bv -q bob",
                             "sendmail -bm -q",
                             "sendmail -q0",
                             "sendmail -q15x",
                             "sendmail -q-5",
                             "sendmail -qp",
                             "sendmail -qR",
                             "sendmail -q!",
                             "sendmail -q!x",
                             "sendmail -S",
                             "sendmail -Q",
                             "sendmail -Qwhy",
                             "sendmail -M",
                             "sendmail -Mrm",
                             "sendmail -Mrmx a",
                             "sendmail -Mrm -Mf a",
                             "sendmail -O smtputf8=maybe bob",
                             "sendmail -O DaemonPortOptions=Addr=localhost,Sometimes -bd",
                             "smtpd stop",
                             "smtpd now",
                             "sendmail -bd now",
                             "sendmail -bs now",
                             "sendmail -bC now",
                             "sendmail -bpc now",
                             "mailq now",
                             "mailq -q!",
                             "sendmail -P",
                             "mailq -P",
                             "postoffice -P now",
                             "postoffice status now",
                             "postoffice -bp status",
                             "sendmail -oA",
                             "smtpd -d -D /tmp/x",
                             "sendmail -oMa",
                             "sendmail -q99999999999999999999"}) {
        EXPECT_EQ(refusal(text), 64) << text;
    }
    std::string long_id = "sendmail -V ";
    EXPECT_EQ(refusal(long_id + std::string(100, 'x') + " bob"), 0);
    EXPECT_EQ(refusal(long_id + std::string(101, 'x') + " bob"), 64);
}

TEST(CommandLineTest, words_of_administrators) {
    EXPECT_EQ(accepted("postoffice start").mode, Mode::daemon);
    EXPECT_TRUE(accepted("postoffice -q5m start").queue_interval.has_value());
    EXPECT_EQ(accepted("postoffice stop").mode, Mode::stop);
    EXPECT_EQ(accepted("postoffice reload").mode, Mode::reload);
    EXPECT_EQ(accepted("postoffice status").mode, Mode::show_status);
    EXPECT_EQ(accepted("postoffice -C /x check").mode, Mode::check_config);
    EXPECT_TRUE(accepted("postoffice check").words.empty());
    EXPECT_EQ(accepted("postoffice -P").mode, Mode::show_options);
    EXPECT_TRUE(accepted("postoffice -P -n").no_aliasing);
    for (const char* text :
         {"postoffice -- status", "postoffice -t status", "postoffice bob status", "sendmail status"})
        EXPECT_EQ(accepted(text).mode, Mode::submit) << text;
}

TEST(CommandLineTest, mailq_may_leave_out_what_matches) {
    const auto filters = accepted("mailq -q!x").filters;
    ASSERT_EQ(filters.size(), 1U);
    EXPECT_EQ(filters.front(), (QueueFilter{'*', true, "x"}));
}

TEST(CommandLineTest, daemon_port_options_are_a_listen_address_for_root) {
    const std::pair<const char*, const char*> cases[] = {
        {"sendmail -bd -ODaemonPortOptions=Addr=localhost", "127.0.0.1:25"},
        {"sendmail -bd -ODaemonPortOptions=Family=inet6,Address=localhost", "[::1]:25"},
        {"sendmail -bd -ODaemonPortOptions=Name=MSA,Port=submission,M=Ea", ":587"},
        {"sendmail -bd -ODaemonPortOptions=Port=2525,Addr=192.0.2.1", "192.0.2.1:2525"},
        {"sendmail -bd -ODaemonPortOptions=Addr=2001:db8::1", "[2001:db8::1]:25"},
        {"sendmail -bd -ODaemonPortOptions=Addr=*", ":25"}};
    for (const auto& [text, listen] : cases)
        EXPECT_EQ(accepted(text).root_settings, (std::vector<CommandLine::Setting>{{"listen", listen}}))
            << text;
}

TEST(CommandLineTest, what_cannot_be_promised_is_refused) {
    EXPECT_EQ(refusal("sendmail -O requiretls=yes bob"), 69);
    EXPECT_EQ(refusal("sendmail -O requiretls=no bob"), 0);
}

TEST(CommandLineTest, control_characters_are_refused_everywhere) {
    const auto code = [](Words words) {
        const auto parsed = parse_command_line(words, is_test_option);
        return parsed.error ? parsed.error->exit_code : 0;
    };
    for (const char* option :
         {"-f", "-r", "-L", "-C", "-o", "-O", "-N", "-B", "-p", "-X", "-D", "-S", "-A", "-T"})
        EXPECT_EQ(code({"sendmail", option, "a\nb", "bob"}), 65) << option;
    EXPECT_EQ(code({"sendmail", "-t", "bob\nBcc: eve"}), 65);
    EXPECT_EQ(code({"sendmail", "-t", "bob\x7f"}), 65);
    EXPECT_EQ(code({"sendmail", "-d\x01"}), 65);
    EXPECT_EQ(code({"sendmail", "-qR\x01"}), 65);
    EXPECT_EQ(code({"sendmail", "-F", "a\x01", "bob"}), 65);
    const auto name = parse_command_line({"sendmail", "-F", "Cron\nDaemon", "bob"}, is_test_option);
    EXPECT_EQ(name.line.full_name, "Cron Daemon") << "a name on two lines is one name";
    const auto message = parse_command_line({"sendmail", "-f", "a\nb"}, is_test_option).error->text;
    EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(CommandLineTest, set_options_of_two_languages) {
    using Settings = std::vector<CommandLine::Setting>;
    EXPECT_EQ(accepted("sendmail -odelay=1m bob").settings, (Settings{{"delay", "1m"}}));
    EXPECT_EQ(accepted("sendmail -oimmediate bob").settings, (Settings{{"immediate", "1"}}));
    EXPECT_EQ(accepted("sendmail -oimmediate=0 bob").settings, (Settings{{"immediate", "0"}}));
    EXPECT_EQ(accepted("sendmail -orelay-host=x bob").settings, (Settings{{"relay-host", "x"}}));
    EXPECT_EQ(accepted("sendmail -olisten=[::1]:25=x bob").settings, (Settings{{"listen", "[::1]:25=x"}}));

    for (const char* text : {"-odb", "-O DeliveryMode=b", "-ODeliveryMode=background"}) {
        const CommandLine line = accepted(std::string("sendmail ") + text + " bob");
        EXPECT_FALSE(line.queue_only || line.deliver_now) << text;
    }
    for (const char* text : {"-odi", "-odf", "-O DeliveryMode=i", "-odq -odi"})
        EXPECT_TRUE(accepted(std::string("sendmail ") + text + " bob").deliver_now) << text;
    for (const char* text : {"-odq", "-odd", "-odqs", "-ODeliveryMode=q", "-O deliverymode=d"})
        EXPECT_TRUE(accepted(std::string("sendmail ") + text + " bob").queue_only) << text;

    for (const char* text : {"-oem", "-oee", "-oew", "-O ErrorMode=m"})
        EXPECT_EQ(accepted(std::string("sendmail ") + text + " bob").error_mode, ErrorMode::mail) << text;
    EXPECT_EQ(accepted("sendmail -oem -oep bob").error_mode, ErrorMode::print);
    EXPECT_EQ(accepted("sendmail -oeq bob").error_mode, ErrorMode::quiet);

    EXPECT_FALSE(accepted("sendmail -OIgnoreDots bob").dot_ends);
    EXPECT_FALSE(accepted("sendmail -O IgnoreDots=true bob").dot_ends);
    EXPECT_TRUE(accepted("sendmail -O IgnoreDots=false bob").dot_ends);
    EXPECT_EQ(accepted("sendmail -bi -O AliasFile=/x").alias_file, "/x");
    EXPECT_EQ(accepted("sendmail -O SMTPUTF8=YES bob").smtputf8, true);
    EXPECT_EQ(accepted("sendmail -O requiretls=no bob").require_tls, false);

    const CommandLine client =
        accepted("sendmail -bs -oMa 192.0.2.1 -oMs h.example -oMr SMTP -oMt id -oMi 192.0.2.2");
    EXPECT_EQ(client.client_address, "192.0.2.1");
    EXPECT_EQ(client.client_name, "h.example");
    EXPECT_EQ(client.client_protocol, "SMTP");
    EXPECT_EQ(client.client_ident, "id");
}

TEST(CommandLineTest, root_may_set_what_others_may_not) {
    CommandLine line = accepted("sendmail -oQ/q -O Timeout.queuereturn=1d -O MaxHopCount=7 bob");
    CommandLine same = line;
    ASSERT_TRUE(apply_caller_rights(line, false));
    EXPECT_EQ(apply_caller_rights(same, false)->exit_code, 77);
    ASSERT_FALSE(apply_caller_rights(same, true));
    EXPECT_EQ(same.settings,
              (std::vector<CommandLine::Setting>{{"queue-dir", "/q"}, {"qreturn", "1d"}, {"hops", "7"}}));

    CommandLine ignored = accepted("sendmail -O Timeout.queuereturn=1d bob");
    EXPECT_FALSE(apply_caller_rights(ignored, false));
    EXPECT_TRUE(ignored.settings.empty());
}

TEST(CommandLineTest, queue_intervals) {
    const std::vector<std::pair<const char*, int>> times = {
        {"15m", 900},   {"1h30m", 5400}, {"90s", 90},    {"2d", 172800},
        {"1w", 604800}, {"30", 1800},    {"1h30", 5400}, {"p10m", 600},
    };
    for (const auto& [text, seconds] : times) {
        const CommandLine line = accepted(std::string("sendmail -q") + text);
        EXPECT_EQ(line.mode, Mode::daemon) << text;
        EXPECT_FALSE(line.serve_smtp) << text;
        EXPECT_EQ(line.queue_interval, Seconds(seconds)) << text;
    }
    const CommandLine both = accepted("sendmail -q30m -bd");
    EXPECT_TRUE(both.serve_smtp);
    EXPECT_EQ(both.queue_interval, Seconds(1800));
    EXPECT_TRUE(accepted("smtpd -q").serve_smtp);
    const CommandLine by_name = accepted("smtpd -q5m");
    EXPECT_EQ(by_name.mode, Mode::daemon);
    EXPECT_TRUE(by_name.serve_smtp);
    EXPECT_EQ(by_name.queue_interval, Seconds(300));
}

TEST(CommandLineTest, queue_runs_and_filters) {
    using Filters = std::vector<QueueFilter>;
    for (const char* text :
         {"sendmail -q", "runq", "runq -v", "sendmail -bq", "sendmail -qi", "sendmail -ql", "sendmail -qq",
          "sendmail -qqi", "sendmail -qGname", "sendmail -qG name", "newaliases -q"})
        EXPECT_EQ(accepted(text).mode, Mode::run_queue) << text;
    EXPECT_FALSE(accepted("sendmail -q").ignore_retry_times);
    EXPECT_TRUE(accepted("sendmail -qf").ignore_retry_times);
    EXPECT_FALSE(accepted("sendmail -qf").include_held);
    EXPECT_TRUE(accepted("runq -qqff").include_held);

    EXPECT_EQ(accepted("sendmail -qIab -q!Rbob -qSeve").filters,
              (Filters{{'I', false, "ab"}, {'R', true, "bob"}, {'S', false, "eve"}}));
    EXPECT_EQ(accepted("sendmail -S eve").filters, (Filters{{'S', false, "eve"}}));
    EXPECT_EQ(accepted("sendmail -S eve").mode, Mode::run_queue);
    for (const char* text : {"mailq -qbob", "sendmail -bp -qbob", "sendmail -qbob -bp"}) {
        EXPECT_EQ(accepted(text).filters, (Filters{{'*', false, "bob"}})) << text;
        EXPECT_EQ(accepted(text).mode, Mode::list_queue) << text;
    }
    EXPECT_EQ(accepted("mailq -qQ -q!L").filters, (Filters{{'Q', false, ""}, {'L', true, ""}}));
    EXPECT_TRUE(accepted("mailq -c").count_only);
    EXPECT_FALSE(accepted("sendmail -c bob").count_only);
    EXPECT_TRUE(accepted("mailq --json -v").json);
}

TEST(CommandLineTest, managing_the_queue) {
    const std::vector<std::pair<const char*, QueueAction>> actions = {
        {"-M", QueueAction::deliver},        {"-Mrm", QueueAction::remove},
        {"-Mvh", QueueAction::show_header},  {"-Mvb", QueueAction::show_body},
        {"-Mvl", QueueAction::show_journal}, {"-Mf", QueueAction::hold},
        {"-Mt", QueueAction::release},
    };
    for (const auto& [option, action] : actions) {
        const CommandLine line = accepted(std::string("sendmail ") + option + " id1 id2");
        EXPECT_EQ(line.mode, Mode::manage_queue) << option;
        EXPECT_EQ(line.queue_action, action) << option;
        EXPECT_EQ(line.words, (Words{"id1", "id2"})) << option;
    }
    const CommandLine hold = accepted("sendmail -Qspam -qSeve");
    EXPECT_EQ(hold.mode, Mode::manage_queue);
    EXPECT_EQ(hold.queue_action, QueueAction::hold);
    EXPECT_EQ(hold.hold_reason, "spam");
    EXPECT_EQ(accepted("sendmail -Q -qIab").queue_action, QueueAction::release);
}

/// What programs really call, with the sender and the words they mean.
struct Vector {
    const char* program;
    const char* text;
    Mode mode;
    Words words;
    bool from_header;
    bool dot_ends;
};

TEST(CommandLineTest, argument_vectors_of_real_programs) {
    const std::vector<Vector> vectors = {
        {"bsd-mailx", "sendmail -i -m -v -f from -- bob eve", Mode::submit, {"bob", "eve"}, false, false},
        {"bsd-mailx", "sendmail -i bob", Mode::submit, {"bob"}, false, false},
        {"s-nail", "sendmail -i -m -v -F name -f from -- bob", Mode::submit, {"bob"}, false, false},
        {"mailutils", "sendmail -oi -f user@host bob", Mode::submit, {"bob"}, false, false},
        {"mailutils", "sendmail -oi -f user@host -t", Mode::submit, {}, true, false},
        {"mutt",
         "sendmail -oem -oi -f from -B8BITMIME -N success,failure -R full -- bob",
         Mode::submit,
         {"bob"},
         false,
         false},
        {"mutt", "sendmail -oem -oi -- bob eve", Mode::submit, {"bob", "eve"}, false, false},
        {"alpine", "sendmail -bs -odb -oem", Mode::serve_stdio, {}, false, true},
        {"nmh", "sendmail -t -i -v", Mode::submit, {}, true, false},
        {"nmh", "sendmail -bs -odi", Mode::serve_stdio, {}, false, true},
        {"emacs", "sendmail -oi -f from -oA/aliases -oem -odb -t -N never", Mode::submit, {}, true, false},
        {"emacs", "sendmail -oi -f from -oep -odi -t", Mode::submit, {}, true, false},
        {"git send-email", "sendmail -f from -i bob eve", Mode::submit, {"bob", "eve"}, false, false},
        {"cron, Debian",
         "sendmail -FCronDaemon -i -B8BITMIME -oem user",
         Mode::submit,
         {"user"},
         false,
         false},
        {"cron, Vixie", "sendmail -FCronDaemon -odi -oem -oi -t", Mode::submit, {}, true, false},
        {"cron, old", "sendmail -FCronDaemon -odi -oem -or0s user", Mode::submit, {"user"}, false, true},
        {"cron", "sendmail -FCronDaemon -odi -oem -oi -- user", Mode::submit, {"user"}, false, false},
        {"cronie", "sendmail -FCronDaemon -i -odi -oem -oi -t -f user", Mode::submit, {}, true, false},
        {"cronie", "sendmail -FCronDaemon -i -odi -oem -oi -t -f <>", Mode::submit, {}, true, false},
        {"busybox crond", "sendmail -ti", Mode::submit, {}, true, false},
        {"systemd-cron", "sendmail -i -B8BITMIME user", Mode::submit, {"user"}, false, false},
        {"at", "sendmail -i user", Mode::submit, {"user"}, false, false},
        {"anacron", "sendmail -FAnacron -odi user", Mode::submit, {"user"}, false, true},
        {"sudo", "sendmail -t", Mode::submit, {}, true, true},
        {"mdadm, logwatch, quota", "sendmail -t", Mode::submit, {}, true, true},
        {"unattended-upgrades", "sendmail -oi -t", Mode::submit, {}, true, false},
        {"procmail", "sendmail -oi bob eve", Mode::submit, {"bob", "eve"}, false, false},
        {"PHP", "/usr/sbin/sendmail -t -i -fuser@x", Mode::submit, {}, true, false},
        {"PHP, two senders", "sendmail -t -i -fsite@x -fuser@x", Mode::submit, {}, true, false},
        {"PHPMailer", "sendmail -oi -fSENDER -t", Mode::submit, {}, true, false},
        {"Symfony", "sendmail -bs", Mode::serve_stdio, {}, false, true},
        {"Symfony", "sendmail -bs -i", Mode::serve_stdio, {}, false, false},
        {"Symfony", "sendmail -oi -t -fSENDER", Mode::submit, {}, true, false},
        {"nodemailer", "sendmail -i -f FROM bob", Mode::submit, {"bob"}, false, false},
        {"Ruby mail", "sendmail -i -f FROM -- bob", Mode::submit, {"bob"}, false, false},
        {"Perl Email::Sender", "sendmail -i -f FROM -- bob", Mode::submit, {"bob"}, false, false},
        {"Perl Mail::Mailer", "sendmail -t", Mode::submit, {}, true, true},
        {"Perl MIME::Lite", "sendmail -t -oi -oem", Mode::submit, {}, true, false},
        {"sqwebmail", "sendmail -oi -t -f FROM -N success", Mode::submit, {}, true, false},
        {"Request Tracker", "sendmail -oi -t -f FROM", Mode::submit, {}, true, false},
        {"Request Tracker with dma", "sendmail -bq -oi -t -f FROM", Mode::submit, {}, true, false},
        {"configure", "sendmail -d0", Mode::show_version, {}, false, true},
        {"check_mailq", "mailq", Mode::list_queue, {}, false, true},
        {"check_mailq", "/usr/bin/mailq -Ac", Mode::list_queue, {}, false, true},
        {"rc",
         "sendmail -L sm-mta -bd -q30m -ODaemonPortOptions=Addr=localhost",
         Mode::daemon,
         {},
         false,
         true},
        {"rc", "sendmail -L sm-msp-queue -Ac -q30m", Mode::daemon, {}, false, true},
        {"systemd unit", "postoffice -q5m -bD -a", Mode::daemon, {}, false, true},
    };
    for (const Vector& vector : vectors) {
        SCOPED_TRACE(std::string(vector.program) + ": " + vector.text);
        const CommandLine line = accepted(vector.text);
        EXPECT_EQ(line.mode, vector.mode);
        EXPECT_EQ(line.words, vector.words);
        EXPECT_EQ(line.recipients_from_header, vector.from_header);
        EXPECT_EQ(line.dot_ends, vector.dot_ends);
    }
    EXPECT_EQ(accepted("sendmail -t -i -fsite@x -fuser@x").sender, "user@x");
    EXPECT_EQ(accepted("sendmail -FCronDaemon -i -odi -oem -oi -t -f <>").full_name, "CronDaemon");
    EXPECT_EQ(accepted("sendmail -L sm-msp-queue -Ac -q30m").serve_smtp, false);
}

}  // namespace
}  // namespace postoffice
