#include "postoffice/config/config_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "postoffice/config/build.h"
#include "postoffice/config/hostname.h"
#include "postoffice/config/options.h"
#include "postoffice/config/values.h"

namespace postoffice {
namespace {

namespace fs = std::filesystem;
using Settings = std::vector<std::pair<std::string, std::string>>;

class ConfigFile : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "config-test-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        file_ = folder_ + "/postoffice.cf";
    }
    void TearDown() override { fs::remove_all(folder_); }

    void write(std::string_view text) {
        std::ofstream(file_) << text;
        ::chmod(file_.c_str(), 0644);
    }
    LoadedConfig load(std::string_view text, Settings settings = {}, bool root = true) {
        write(text);
        return load_config({file_, true, std::move(settings), root});
    }
    /// The problems without the name of the folder, one a line.
    std::string problems(const LoadedConfig& loaded) {
        std::string all;
        for (auto text : loaded.problems) {
            if (text.text.starts_with(folder_)) text.text.erase(0, folder_.size() + 1);
            all += text.text + "\n";
        }
        return all;
    }

    std::string folder_;
    std::string file_;
};

TEST_F(ConfigFile, ReadsNamesFlagsCommentsAndBlanks) {
    const auto loaded = load(
        "# comment\r\n\n  hostname = Mail.Example.org  # ours\n\tclients=5\nrelay\nmsp\nimmediate=0\n"
        "local-domain=a.example\nlocal-domain=b.example\nmail-dir=/srv/with#hash\nsize=1m");
    EXPECT_EQ(problems(loaded), "");
    const auto& config = loaded.config;
    EXPECT_EQ(config.file, file_);
    EXPECT_EQ(config.identity.hostname, "mail.example.org");
    EXPECT_EQ(config.limits.clients, 5U);
    EXPECT_TRUE(config.access.relay);
    EXPECT_FALSE(config.queue.immediate);
    EXPECT_EQ(config.identity.local_domains, (std::vector<std::string>{"a.example", "b.example"}));
    EXPECT_EQ(config.local.mail_dir, "/srv/with#hash");
    EXPECT_EQ(config.limits.size, 1U << 20);  // a last line without newline counts
    EXPECT_EQ(config.network.listen, (std::vector<ListenAddress>{{{}, 25}, {{}, 587}}));
    EXPECT_TRUE(config.identity.is_local_domain("a.example"));
    EXPECT_TRUE(config.identity.is_local_domain("mail.example.org"));
    EXPECT_TRUE(config.identity.is_local_domain("localhost"));
    EXPECT_FALSE(config.identity.is_local_domain("example.org"));
}

TEST_F(ConfigFile, FillsInWhatDependsOnOthers) {
    const auto loaded = load("queue-dir=/srv/spool\n");
    EXPECT_EQ(loaded.config.queue.control, "/srv/spool/control");
    EXPECT_EQ(loaded.config.network.listen, (std::vector<ListenAddress>{{{}, 25}}));
    EXPECT_FALSE(loaded.config.identity.hostname.empty());
    EXPECT_EQ(load("hostname=literal").config.identity.hostname, literal_host_name());
    EXPECT_EQ(load("hostname=auto").config.identity.hostname, canonical_host_name());
    EXPECT_EQ(load("").config.queue.dir, default_queue_dir());
}

TEST_F(ConfigFile, TellsEveryMistakeWithItsLine) {
    const auto loaded =
        load("clients=many\nrelayhost=x\n\ntimeout=5x\nclients\ndead-letter\n=1\nlisten=:25,lmtp\n");
    EXPECT_EQ(problems(loaded),
              "postoffice.cf:1: clients: \"many\" is not a whole number\n"
              "postoffice.cf:2: unknown option \"relayhost\"; did you mean relay-host?\n"
              "postoffice.cf:4: timeout: \"5x\" is not a time: numbers with w, d, h, m or s (1h30m)\n"
              "postoffice.cf:5: clients needs a value (number): connections at a time\n"
              "postoffice.cf:6: dead-letter is not available in this version\n"
              "postoffice.cf:7: the name of the option is missing\n"
              "postoffice.cf:8: listen: \"lmtp\" is not available in this version\n");
    EXPECT_EQ(loaded.exit_code(), 78);
}

TEST_F(ConfigFile, SettingsOfTheCommandLineWin) {
    const auto loaded = load("clients=5\nlisten=:25\nlisten=:2626\n",
                             {{"clients", "7"}, {"listen", "127.0.0.1:2525"}, {"listen", "[::1]:2525"}});
    EXPECT_EQ(problems(loaded), "");
    EXPECT_EQ(loaded.config.limits.clients, 7U);
    EXPECT_EQ(loaded.config.network.listen, (std::vector<ListenAddress>{{IpAddress::parse("127.0.0.1"), 2525},
                                                                        {IpAddress::parse("::1"), 2525}}));
    EXPECT_EQ(problems(load("", {{"clients", "x"}})), "-oclients: clients: \"x\" is not a whole number\n");
}

TEST_F(ConfigFile, AByteOrderMarkIsNoPartOfTheFirstName) {
    const auto loaded = load("\xef\xbb\xbfhostname=bom.example.org\n");
    EXPECT_EQ(problems(loaded), "");
    EXPECT_EQ(loaded.config.identity.hostname, "bom.example.org");
}

TEST_F(ConfigFile, EmptyValueEmptiesAList) {
    const auto loaded = load("nameserver=127.0.0.1\n", {{"nameserver", ""}});
    EXPECT_EQ(problems(loaded), "");
    EXPECT_TRUE(loaded.config.network.nameservers.empty());
}

TEST_F(ConfigFile, NoticesOldSpellingsAndRepetitions) {
    const auto loaded = load("self=old.example.org\nclients=5\nclients=6\n");
    EXPECT_EQ(problems(loaded), "");
    EXPECT_EQ(loaded.config.identity.hostname, "old.example.org");
    EXPECT_EQ(loaded.config.limits.clients, 6U);
    ASSERT_EQ(loaded.notices.size(), 3U);
    EXPECT_TRUE(loaded.notices[0].ends_with(":1: self is an old spelling of hostname"));
    EXPECT_TRUE(loaded.notices[1].find(":3: clients replaces the value from ") != std::string::npos);
    EXPECT_EQ(loaded.notices[2], "client-connections=10 never takes effect with clients=6");
}

TEST_F(ConfigFile, TellsThatPop3WithoutTlsIsForThisHost) {
    const std::string notice = "pop3: without tls-certificate only this host and trusted hosts can log in";
    EXPECT_EQ(load("pop3=:110\n").notices, std::vector{notice});
    EXPECT_TRUE(load("pop3=:110\nauth-plaintext\n").notices.empty());
    EXPECT_TRUE(load("hostname=a.example\n").notices.empty());
}

TEST_F(ConfigFile, OptionsHaveToFitTogether) {
    EXPECT_EQ(problems(load("forward-all\n")),
              "postoffice.cf: forward-all needs relay-host=HOST to forward to\n");
    EXPECT_EQ(problems(load("hostname=a.example\nrelay-host=a.example\n")),
              "postoffice.cf: relay-host: a.example is this host, mail would go round in circles\n");
    EXPECT_EQ(problems(load("hostname=a.example\nrelay-host=a.example:2525\n")), "");
    EXPECT_EQ(problems(load("listen=:25\nlisten=:25\n")), "postoffice.cf: listen: :25 is given twice\n");
    EXPECT_EQ(problems(load("listen=[::1]:25\nlisten=:25\n")),
              "postoffice.cf: listen: [::1]:25 and :25 are the same port of all addresses and of one\n");
    EXPECT_EQ(problems(load("listen=127.0.0.1:0\nlisten=127.0.0.1:0\n")), "");
    EXPECT_EQ(problems(load("queue-dir=/srv/x\nmail-dir=/srv/x\n")),
              "postoffice.cf: queue-dir and mail-dir are both /srv/x\n");
    EXPECT_EQ(load("queue-dir=/" + std::string(100, 'q')).problems.size(), 1U);
}

TEST_F(ConfigFile, WhatClientsMayDoWithLinesOrderAndTheQueue) {
    const auto loaded = load(
        "bare-newline=Reject\nrelaxed-order\netrn=[192.0.2.1]\netrn=Mail.example\n"
        "delay-warning=4h\n");
    EXPECT_EQ(problems(loaded), "");
    EXPECT_EQ(loaded.config.smtp.bare_newline, BareNewline::reject);
    EXPECT_TRUE(loaded.config.smtp.relaxed_order);
    EXPECT_EQ(loaded.config.smtp.etrn, (HostList{{*parse_network("192.0.2.1")}, {"mail.example"}}));
    EXPECT_EQ(loaded.config.queue.delay_warning, Seconds(4 * 3600));
    EXPECT_EQ(load("bare-newline=accept").config.smtp.bare_newline, BareNewline::accept);
    EXPECT_EQ(load("bare-newline=normalize").config.smtp.bare_newline, BareNewline::normalise);
    EXPECT_EQ(problems(load("\nbare-newline=keep")),
              "postoffice.cf:2: bare-newline: \"keep\" is none of normalise, reject and accept\n");
    for (const char* bad : {"relaxed-order=maybe", "etrn=a b", "delay-warning=soon", "delay-warnings=1h"})
        EXPECT_EQ(load(bad).problems.size(), 1U) << bad;
}

TEST_F(ConfigFile, ByDefaultNobodyRelays) {
    const auto loaded = load("");
    EXPECT_EQ(problems(loaded), "");
    EXPECT_FALSE(loaded.config.access.relay);
    EXPECT_TRUE(loaded.config.access.trusted.empty());
    EXPECT_TRUE(loaded.config.remote.relay_hosts.empty());
    EXPECT_TRUE(loaded.config.identity.local_domains.empty());
}

TEST_F(ConfigFile, OrdinaryUsersDoNotChangeOtherPeoplesMail) {
    for (const std::string line : {"relay-host=x.example", "forward-all", "trusted=[192.0.2.1]"}) {
        const auto loaded = load(line, {}, false);
        ASSERT_FALSE(loaded.problems.empty()) << line;
        EXPECT_EQ(loaded.problems[0].exit_code, 77) << line;
    }
    EXPECT_EQ(problems(load("queue-dir=/srv/x\nrelay\n", {{"qreturn", "1d"}}, false)), "");
}

TEST_F(ConfigFile, OrdinaryUsersHaveNoSayBesideTheDefaultFile) {
    ConfigSource source{folder_ + "/missing", false, {{"immediate", "0"}, {"queue-dir", "/srv/x"}}, false};
    const auto loaded = load_config(source);
    ASSERT_EQ(loaded.problems.size(), 1U);
    EXPECT_EQ(loaded.problems[0].text, "-oqueue-dir: queue-dir can be set by root only");
    EXPECT_EQ(loaded.exit_code(), 77);
    EXPECT_FALSE(loaded.config.queue.immediate);

    // What root wrote there counts for everybody.
    write("relay-host=x.example\n");
    EXPECT_EQ(problems(load_config({file_, false, {}, false})), "");
}

TEST_F(ConfigFile, MissingFileIsAMistakeOnlyIfAskedFor) {
    EXPECT_EQ(load_config({file_, true, {}, true}).exit_code(), 66);
    const auto by_default = load_config({file_, false, {}, true});
    EXPECT_EQ(problems(by_default), "");
    EXPECT_EQ(by_default.config.file, "");
}

TEST_F(ConfigFile, FilesThatOthersMayWriteAreNotRead) {
    write("relay\n");
    ::chmod(file_.c_str(), 0646);
    const auto loaded = load_config({file_, true, {}, true});
    EXPECT_EQ(loaded.exit_code(), 72);
    EXPECT_FALSE(loaded.config.access.relay);
    EXPECT_EQ(problems(loaded), "postoffice.cf: " + file_ + " can be written by all users\n");

    ::chmod(file_.c_str(), 0644);
    ::chmod(folder_.c_str(), 0777);
    EXPECT_EQ(load_config({file_, true, {}, true}).exit_code(), 72);
    ::chmod(folder_.c_str(), 01777);
    EXPECT_EQ(load_config({file_, true, {}, true}).exit_code(), 0);
}

TEST_F(ConfigFile, LinksLeadToFilesHeldToTheSameRule) {
    write("clients=9\n");
    const auto link = folder_ + "/link.cf";
    fs::create_symlink("postoffice.cf", link);
    EXPECT_EQ(load_config({link, true, {}, true}).config.limits.clients, 9U);

    fs::create_directory(folder_ + "/open");
    fs::rename(file_, folder_ + "/open/target.cf");
    ::chmod((folder_ + "/open").c_str(), 0777);
    fs::create_symlink("open/target.cf", folder_ + "/second.cf");
    EXPECT_EQ(load_config({folder_ + "/second.cf", true, {}, true}).exit_code(), 72);
    fs::create_symlink("loop.cf", folder_ + "/loop.cf");
    EXPECT_NE(load_config({folder_ + "/loop.cf", true, {}, true}).exit_code(), 0);
}

TEST_F(ConfigFile, OnlyRegularFilesOfReasonableSize) {
    EXPECT_EQ(load_config({folder_, true, {}, true}).exit_code(), 72);
    ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
    EXPECT_EQ(load_config({file_, true, {}, true}).exit_code(), 72);
    fs::remove(file_);
    write(std::string((1 << 20) + 1, '#'));
    EXPECT_EQ(load_config({file_, true, {}, true}).exit_code(), 72);
}

TEST_F(ConfigFile, FilesOfOtherUsersAreNotRead) {
    if (::getuid() != 0) GTEST_SKIP() << "only root can give files away";
    write("relay\n");
    ASSERT_EQ(::chown(file_.c_str(), 12345, 0), 0);
    EXPECT_EQ(read_trusted_file(file_, 0).exit_code, 72);
    ASSERT_EQ(::chown(folder_.c_str(), 12345, 0), 0);
    EXPECT_EQ(read_trusted_file(file_, 12345).exit_code, 0);
    EXPECT_EQ(read_trusted_file(file_, 12346).exit_code, 72);
}

TEST_F(ConfigFile, ControlCharactersAreRefused) {
    EXPECT_EQ(load(std::string("user=a\0b\n", 9)).problems.size(), 1U);
    EXPECT_EQ(load("log=/tmp/a\x1b[2J\n").problems.size(), 1U);
    EXPECT_EQ(load(std::string(5000, '\xff') + "\n").problems.size(), 1U);
}

TEST_F(ConfigFile, FloodOfMistakesIsCut) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "nonsense\n";
    EXPECT_EQ(load(text).problems.size(), 100U);
}

TEST_F(ConfigFile, RelativeNamesCountFromTheCurrentFolder) {
    write("clients=8\n");
    const auto before = fs::current_path();
    fs::current_path(folder_);
    const auto loaded = load_config({"postoffice.cf", true, {}, true});
    fs::current_path(before);
    EXPECT_EQ(loaded.config.limits.clients, 8U);
}

TEST(ConfigSource, MinusCBeatsTheEnvironmentBeatsTheDefault) {
    ::unsetenv("POSTOFFICE_CONFIG");
    EXPECT_EQ(config_source({}, {}).file, default_config_file());
    EXPECT_FALSE(config_source({}, {}).file_was_asked_for);
    ::setenv("POSTOFFICE_CONFIG", "/srv/env.cf", 1);
    EXPECT_EQ(config_source({}, {}).file, "/srv/env.cf");
    EXPECT_TRUE(config_source({}, {}).file_was_asked_for);
    EXPECT_EQ(config_source("/srv/c.cf", {}).file, "/srv/c.cf");
    ::unsetenv("POSTOFFICE_CONFIG");
}

TEST(HostName, IsAName) {
    EXPECT_FALSE(literal_host_name().empty());
    EXPECT_FALSE(canonical_host_name().empty());
}

}  // namespace
}  // namespace postoffice
