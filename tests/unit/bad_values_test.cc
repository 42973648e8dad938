// For each option a wrong value that people write: the file and the line are told, the
// option, and what was expected. An option without a row here fails the test.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "postoffice/config/options.h"

namespace postoffice {
namespace {

struct BadValue {
    std::string_view option, value, problem;
};

constexpr std::string_view not_a_flag = "\"maybe\" is neither 1 (on) nor 0 (off)";

constexpr BadValue bad_values[] = {
    {"hostname", "mail host", "\"mail host\" is not a host or domain name"},
    {"user", "-x", "\"-x\" is not the name of an account"},
    {"local-domain", "a..example", "\"a..example\" is not a host or domain name"},
    {"trusted", "192.0.2.1/24",
     "192.0.2.1/24 is no network: write 192.0.2.0/24 for the network, or 192.0.2.1 for the one address"},
    {"queue-dir", "spool", "\"spool\" is not an absolute path"},
    {"mail-dir", "~/mail", "\"~/mail\" is not an absolute path"},
    {"home-mailbox", "~/Maildir/", "it is a path below the home: write Maildir/, not ~/Maildir/"},
    {"local-transport", "pipe:/bin/x", "\"pipe:/bin/x\": write mailbox, lmtp:/PATH or lmtp:ADDRESS:PORT"},
    {"aliases", "aliases", "\"aliases\" is not an absolute path"},
    {"control", "control", "\"control\" is not an absolute path"},
    {"log", "file", "\"file\" is not an absolute path, nor syslog or stderr"},
    {"log-format", "xml", "\"xml\" is neither text nor json"},
    {"listen", "25", "\"25\" has no port: write :25"},
    {"pop3", "110", "\"110\" has no port: write :110"},
    {"pop3s", ":995, tls", "\"tls\" is not an option of pop3: domain=DOMAIN"},
    {"pop3-timeout", "5m", "10m at least, as RFC 1939 section 3 wants it"},
    {"pop3-login-delay", "soon", "\"soon\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"pop3-status", "maybe", not_a_flag},
    {"pop-before-smtp", "-1m", "\"-1m\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"msp", "65536", "65536 is not between 1 and 65535"},
    {"clients", "0", "0 is not between 1 and 1000000"},
    {"client-connections", "many", "\"many\" is not a whole number"},
    {"load", "-1", "\"-1\" is not a whole number"},
    {"hops", "0", "0 is not between 1 and 1000000"},
    {"recipients", "99", "99 is not between 100 and 1000000"},
    {"size", "10mb", "\"10mb\" is not a size: a number, then k, m or g (10m)"},
    {"header-size", "10kb", "\"10kb\" is not a size: a number, then k, m or g (10m)"},
    {"minfree", "1.5g", "\"1.5g\" is not a size: a number, then k, m or g (10m)"},
    {"timeout", "0", "a time of 0 leaves no time for anything"},
    {"tls-certificate", "cert.pem", "\"cert.pem\" is not an absolute path"},
    {"tls-key", "key.pem", "\"key.pem\" is not an absolute path"},
    {"auth-plaintext", "maybe", not_a_flag},
    {"auth-scram", "maybe", not_a_flag},
    {"auth-failures", "0", "0 is not between 1 and 1000000"},
    {"vhost-dir", "virtual", "\"virtual\" is not an absolute path"},
    {"vhost-spool", "../virtual", "\"../virtual\" is not an absolute path"},
    {"vhost-user", "root", "mailboxes of virtual users are never written as root"},
    {"vhost-form", "maybe", not_a_flag},
    {"vhost-maildir", "maybe", not_a_flag},
    {"hide-recipients", "maybe", not_a_flag},
    {"audit", "maybe", not_a_flag},
    {"debug", "maybe", not_a_flag},
    {"relay", "maybe", not_a_flag},
    {"bare-newline", "strip", "\"strip\" is none of normalise, reject and accept"},
    {"relaxed-order", "maybe", not_a_flag},
    {"notify-success", "maybe", not_a_flag},
    {"login-senders", "1", "\"1\" is none of any, submission and own"},
    {"strict-addresses", "maybe", not_a_flag},
    {"etrn", "192.0.2.0/33",
     "\"192.0.2.0/33\": behind the / comes the number of bits that the addresses of the network have in "
     "common, 0 "
     "to 32"},
    {"localmx", "maybe", not_a_flag},
    {"forbidden", "reject", "\"reject\": write bounce, accept or folder:PATH"},
    {"spam", "reject", "\"reject\": write bounce, accept or folder:PATH"},
    {"paranoid", "maybe", not_a_flag},
    {"dnscheck", "maybe", not_a_flag},
    {"dnsbl", "list.example=10.0.0.1", "10.0.0.1: DNS lists answer with addresses of 127.0.0.0/8"},
    {"dnswl", "good list", "\"good list\" is not a host or domain name"},
    {"checkhelo", "maybe", not_a_flag},
    {"verify-from", "maybe", not_a_flag},
    {"nodaemon", "maybe", not_a_flag},
    {"policy-service", "localhost", "\"localhost\" has no port: write /PATH or HOST:PORT"},
    {"filter", "opendkim", "\"opendkim\" has no port: write /PATH or HOST:PORT"},
    {"filter-bounces", "maybe", not_a_flag},
    {"safe", "maybe", not_a_flag},
    {"av", "scan\x01", "control characters in \"scan?\""},
    {"av-timeout", "0", "a time of 0 leaves no time for anything"},
    {"no-soliciting", "org.example:ADV,", "\"\" is no solicitation keyword, such as org.example:ADV"},
    {"greylist", "maybe", not_a_flag},
    {"greylist-from", "maybe", not_a_flag},
    {"delay", "1 h", "\"1 h\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"greylist-unnamed", "0", "0 is not between 1 and 100"},
    {"greylist-null", "101", "101 is not between 1 and 100"},
    {"greylist-null-unnamed", "x5", "\"x5\" is not a whole number"},
    {"greylist-spf", "maybe", not_a_flag},
    {"greylist-written", "two weeks", "\"two weeks\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"greylist-keep", "14days", "\"14days\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"greylist-bounces", "7days", "\"7days\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"db-dir", "lib/postoffice", "\"lib/postoffice\" is not an absolute path"},
    {"rate-connections", "120",
     "\"120\" is not a rate: a number from 1 to 1000000, /, and a time (100/1h), or 0 for no limit"},
    {"rate-messages", "3000/",
     "\"3000/\" is not a rate: a number from 1 to 1000000, /, and a time (100/1h), or 0 for no limit"},
    {"rate-recipients", "0/1h",
     "\"0/1h\" is not a rate: a number from 1 to 1000000, /, and a time (100/1h), or 0 for no limit"},
    {"errors", "1001", "1001 is not between 1 and 1000"},
    {"tarpit", "5x", "\"5x\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"data-rate", "100/s", "\"100/s\" is not a size: a number, then k, m or g (10m)"},
    {"data-time", "0", "a time of 0 leaves no time for anything"},
    {"coal-command", "nft", "\"nft\" is not an absolute path"},
    {"coal", "0", "without coal-command= nothing is done anyhow"},
    {"proxy", "proxy.example", "\"proxy.example\" is not an IPv4 or IPv6 address"},
    {"transport", "bulk source-address=192.0.2.1,192.0.2.2",
     "192.0.2.1 and 192.0.2.2 are of the same family"},
    {"source-address", "host.test", "\"host.test\" is no address of this host"},
    {"helo-name", "a b", "\"a b\" is not a host or domain name"},
    {"destination-rate", "10",
     "\"10\" is not a rate: a number from 1 to 1000000, /, and a time (100/1h), or 0 for no limit"},
    {"canonical", "canonical", "\"canonical\" is not an absolute path"},
    {"generics", "generic", "\"generic\" is not an absolute path"},
    {"tls-reports", "maybe", not_a_flag},
    {"usermap", "*@example.org", "a map is PATTERN:TARGET, with further targets behind commas"},
    {"delivery-files", ".procmailrc", "\".procmailrc\" is neither .forward nor .qmail"},
    {"recipient-delimiter", "a", "an extension can begin with one of +-_=#%."},
    {"alias-user", "root", "programs of aliases never run as root"},
    {"command-timeout", "0", "a time of 0 leaves no time for anything"},
    {"mailbox-size", "big", "\"big\" is not a size: a number, then k, m or g (10m)"},
    {"escape-from", "maybe", not_a_flag},
    {"dot-lock", "maybe", not_a_flag},
    {"nameserver", "ns.example.org", "\"ns.example.org\" is not an IPv4 or IPv6 address"},
    {"remote-port", "0", "0 is not between 1 and 65535"},
    {"relay-host", "relay:0", "port: 0 is not between 1 and 65535"},
    {"routes", "transport", "\"transport\" is not an absolute path"},
    {"sender-relay", "hash:/etc/senders", "\"hash:/etc/senders\" is not an absolute path"},
    {"mxpool", "maybe", not_a_flag},
    {"relay-password-file", "passwords", "\"passwords\" is not an absolute path"},
    {"relay-token-command", "token", "\"token\" is not an absolute path"},
    {"relay-domains", "a.test,-b.test", "\"-b.test\" is not a host or domain name"},
    {"forward-all", "maybe", not_a_flag},
    {"masquerade", "a b", "\"a b\" is not a host or domain name"},
    {"srs-key", "key", "\"key\" is not an absolute path"},
    {"immediate", "maybe", not_a_flag},
    {"retry", "5m,,1h", "\"\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"qreturn", "3 days", "\"3 days\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"future-release", "a week", "\"a week\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"stranger-priority", "10", "10 is not between 0 and 9"},
    {"delay-warning", "-1", "\"-1\" is not a time: numbers with w, d, h, m or s (1h30m)"},
    {"agents", "0", "0 is not between 1 and 1000000"},
    {"destination-agents", "a few", "\"a few\" is not a whole number"},
    {"owner-programs", "0", "0 is not between 1 and 1000000"},
    {"remote-tls", "always",
     "\"always\" is no level of TLS: none, may, encrypt, verify, fingerprint, dane, dane-only"},
    {"dnssec", "maybe", "\"maybe\" is none of auto, trust and none"},
    {"remote-tls-policy", "table", "\"table\" is not an absolute path"},
    {"remote-tls-authorities", "ca.pem", "\"ca.pem\" is not an absolute path"},
    {"mta-sts", "maybe", not_a_flag},
    {"lookup-timeout", "0", "a time of 0 leaves no time for anything"},
    {"untrusted-set-sender", "maybe", not_a_flag},
    {"trusted-users", "alice,a b", "\"a b\" is not the name of an account"},
    {"delivery-wait", "a minute", "\"a minute\" is not a time: numbers with w, d, h, m or s (1h30m)"},
};

TEST(BadValues, EachOptionHasARow) {
    std::set<std::string_view> rows, options;
    for (const BadValue& row : bad_values) EXPECT_TRUE(rows.insert(row.option).second) << row.option;
    for (const Option& option : option_table()) options.insert(option.name);
    EXPECT_EQ(rows, options);
}

TEST(BadValues, AreToldWithTheirLineAndWhatWasExpected) {
    std::string folder = testing::TempDir() + "bad-values-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string file = folder + "/postoffice.cf";
    for (const BadValue& row : bad_values) {
        std::ofstream(file) << "# a comment\n\n" << row.option << " = " << row.value << "\nqreturn=5d\n";
        ::chmod(file.c_str(), 0644);
        const LoadedConfig loaded = load_config({file, true, {}, true});
        ASSERT_EQ(loaded.problems.size(), 1u) << row.option;
        EXPECT_EQ(loaded.problems.front().text,
                  file + ":3: " + std::string(row.option) + ": " + std::string(row.problem));
        EXPECT_EQ(loaded.exit_code(), 78) << row.option;
        EXPECT_EQ(loaded.config.queue.qreturn, Seconds(5 * 86400)) << "the rest of the file is read";
    }
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace postoffice
