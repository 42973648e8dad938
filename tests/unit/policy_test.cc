// What policy makes of a client and a sender: facts from real DNS, from a name server that is silent, and
// made up.
#include <gtest/gtest.h>

#include <memory>

#include "dns_servers.h"
#include "postoffice/config/values.h"
#include "postoffice/net/mx.h"
#include "postoffice/policy/client.h"
#include "postoffice/policy/dns_lists.h"
#include "postoffice/policy/sender.h"
#include "postoffice/policy/soliciting.h"

namespace postoffice {
namespace {

IpAddress address(std::string_view text) {
    return IpAddress::parse(text).value();
}

Client stranger(NameStatus status, const std::string& name = "client.a.test") {
    return {address("192.0.2.1"), status == NameStatus::verified ? name : "unknown", status, false};
}

Config a_config() {
    Config config;
    config.identity.hostname = "mail.example";
    config.identity.local_domains = {"example"};
    return config;
}

std::string status_of(const std::optional<Reply>& reply) {
    return reply ? std::to_string(reply->code) + " " + reply->status : "welcome";
}

class PolicyWithNsd : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (!Nsd::is_installed()) return;
        nsd = std::make_unique<Nsd>(std::map<std::string, std::string>{
            {"a.test.",
             "client A 192.0.2.1\nclient A 192.0.2.6\nother A 192.0.2.99\n@ MX 10 client\nnull MX 0 "
             ".\nnohost MX 10 nothing\n"
             "bare TXT x\n"
             "customer MX 10 mail.example.\nsibling.pool A 192.0.2.30\n*.pool MX 10 mail.example.\n"
             "*.pool A 192.0.2.31\nown.pool MX 10 mail.example.\nfoe MX 10 loop\nloop A 127.0.0.1\n"},
            {"2.0.192.in-addr.arpa.",
             "1 PTR client.a.test.\n2 PTR other.a.test.\n3 PTR nothing.a.test.\n4 PTR x.elsewhere.test.\n"
             "4 PTR other.a.test.\n6 PTR other.a.test.\n6 PTR client.a.test.\n"},
            {"bad.test.",
             "1.2.0.192 A 127.0.0.2\n1.2.0.192 TXT \"caught in\" \" the act\\010\"\n"
             "2.2.0.192 A 127.255.255.254\n3.2.0.192 A 127.0.0.1\n4.2.0.192 A 198.51.100.1\n"
             "5.2.0.192 A 127.0.0.2\n"
             "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2 A 127.0.0.9\n"},
            {"good.test.", "5.2.0.192 A 127.0.0.3\n1.2.0.192 A 127.0.0.4\n"}});
    }
    static void TearDownTestSuite() { nsd.reset(); }
    void SetUp() override {
        if (!nsd) GTEST_SKIP() << "nsd is not installed";
    }
    Resolver resolver() const { return Resolver(test_settings({nsd->endpoint()})); }
    static std::unique_ptr<Nsd> nsd;
};
std::unique_ptr<Nsd> PolicyWithNsd::nsd;

// A name server that answers SERVFAIL to each question.
FakeDns ill_server() {
    return FakeDns([](const FakeQuery& query) -> std::vector<FakeAnswer> {
        return {{wire_response(query, response_flags | 2, {})}};
    });
}

TEST_F(PolicyWithNsd, NamesThatLeadBackAndOthers) {
    const auto expect = [&](std::string_view of, NameStatus status, const std::string& name) {
        const auto found = find_client_name(resolver(), address(of));
        EXPECT_EQ(found.status, status) << of;
        EXPECT_EQ(found.name, name) << of;
    };
    expect("192.0.2.1", NameStatus::verified, "client.a.test");
    expect("192.0.2.2", NameStatus::contradicted, "unknown");
    expect("192.0.2.3", NameStatus::contradicted, "unknown");
    expect("192.0.2.5", NameStatus::none, "unknown");
    expect("192.0.2.6", NameStatus::verified, "client.a.test");
    // The server refuses what is in no zone of its own: another one may know whether that name leads back.
    expect("192.0.2.4", NameStatus::temporary, "unknown");
    expect("198.51.100.1", NameStatus::temporary, "unknown");
    expect("127.0.0.1", NameStatus::verified, "localhost");
}

TEST(Policy, NamesNeeded) {
    Config config = a_config();
    const auto all = {NameStatus::verified, NameStatus::none, NameStatus::contradicted,
                      NameStatus::temporary};
    for (const auto status : all) EXPECT_FALSE(check_client_name(config, stranger(status)));
    config.access.paranoid = true;
    EXPECT_EQ(status_of(check_client_name(config, stranger(NameStatus::verified))), "welcome");
    EXPECT_EQ(status_of(check_client_name(config, stranger(NameStatus::none))), "550 5.7.25");
    EXPECT_EQ(status_of(check_client_name(config, stranger(NameStatus::contradicted))), "welcome");
    EXPECT_EQ(status_of(check_client_name(config, stranger(NameStatus::temporary))), "450 4.7.25");
    config.access.paranoid = false;
    config.access.dnscheck = true;
    EXPECT_EQ(status_of(check_client_name(config, stranger(NameStatus::none))), "550 5.7.25");
    EXPECT_EQ(status_of(check_client_name(config, stranger(NameStatus::contradicted))), "550 5.7.25");
    EXPECT_EQ(status_of(check_client_name(config, stranger(NameStatus::temporary))), "450 4.7.25");
}

TEST(Policy, TrustedByNameOnlyIfTheNameIsTrue) {
    FakeDns server = ill_server();
    const Resolver resolver(test_settings({server.endpoint()}));
    Config config = a_config();
    const auto trust = [&](const Client& client) { return trust_of(config, resolver, client); };
    EXPECT_EQ(trust({}), ClientTrust::trusted);
    EXPECT_EQ(trust(stranger(NameStatus::verified)), ClientTrust::stranger);
    EXPECT_EQ(trust(stranger(NameStatus::temporary)), ClientTrust::stranger);
    config.access.trusted.names = {"client.a.test"};
    EXPECT_EQ(trust(stranger(NameStatus::verified)), ClientTrust::trusted);
    EXPECT_EQ(trust(stranger(NameStatus::verified, "x.client.a.test")), ClientTrust::stranger);
    EXPECT_EQ(trust(stranger(NameStatus::contradicted)), ClientTrust::stranger);
    EXPECT_EQ(trust(stranger(NameStatus::temporary)), ClientTrust::undecided);
    config.access.trusted.names = {"unknown"};
    EXPECT_EQ(trust(stranger(NameStatus::none)), ClientTrust::stranger);
    config.access.trusted = {{*parse_network("192.0.2.1")}, {}};
    EXPECT_EQ(trust(stranger(NameStatus::temporary)), ClientTrust::trusted);
    config.access.trusted = {{*parse_network("192.0.2.2")}, {}};
    EXPECT_EQ(trust(stranger(NameStatus::temporary)), ClientTrust::stranger);
    config.access.localmx = true;
    EXPECT_EQ(trust(stranger(NameStatus::verified)), ClientTrust::undecided);
    EXPECT_EQ(trust(stranger(NameStatus::none)), ClientTrust::stranger);
}

TEST_F(PolicyWithNsd, MailHostOfAClient) {
    Config config = a_config();
    config.access.localmx = true;
    const Resolver own = resolver();
    const auto trust = [&](const std::string& name) {
        return trust_of(config, own, stranger(NameStatus::verified, name));
    };
    EXPECT_EQ(trust("customer.a.test"), ClientTrust::trusted);
    EXPECT_EQ(trust("other.a.test"), ClientTrust::stranger) << "the MX of the domain is not the host's";
    EXPECT_EQ(trust("client.a.test"), ClientTrust::stranger) << "an address is no MX";
    EXPECT_EQ(trust("x.pool.a.test"), ClientTrust::stranger) << "a wildcard";
    EXPECT_EQ(trust("own.pool.a.test"), ClientTrust::stranger) << "not to be told from a wildcard";
    EXPECT_EQ(trust("foe.a.test"), ClientTrust::stranger) << "127.0.0.1 is everybody";
    EXPECT_EQ(trust("null.a.test"), ClientTrust::stranger);
    config.access.localmx = false;
    EXPECT_EQ(trust("customer.a.test"), ClientTrust::stranger);
}

TEST(Policy, NamesThatAreOurs) {
    Config config = a_config();
    const Client client = stranger(NameStatus::verified);
    EXPECT_FALSE(check_hello(config, client, "mail.example"));
    config.access.checkhelo = true;
    for (const char* ours : {"mail.example", "MAIL.example.", "example"})
        EXPECT_EQ(status_of(check_hello(config, client, ours)), "521 5.7.1") << ours;
    for (const char* theirs : {"client.a.test", "localhost", "[127.0.0.1]", "[IPv6:::1]", "192.0.2.1",
                               "[192.0.2.1]", "x.mail.example", "[", "[]", ""})
        EXPECT_EQ(status_of(check_hello(config, client, theirs)), "welcome") << theirs;
    for (const IpAddress& own : interface_addresses())
        EXPECT_EQ(status_of(check_hello(config, client, own.to_literal())),
                  own.is_loopback() ? "welcome" : "521 5.7.1")
            << own.to_string();
}

TEST_F(PolicyWithNsd, SendersWhoCouldGetAReport) {
    const Config config = a_config();
    const Resolver own = resolver();
    const auto verdict = [&](const std::string& domain) {
        return status_of(check_sender(config, own, Address("bob", domain)));
    };
    EXPECT_EQ(verdict("a.test"), "welcome");
    EXPECT_EQ(verdict("client.a.test"), "welcome") << "a host without MX";
    EXPECT_EQ(verdict("nothing.a.test"), "553 5.1.8");
    EXPECT_EQ(verdict("bare.a.test"), "553 5.1.8");
    EXPECT_EQ(verdict("nohost.a.test"), "553 5.1.8");
    EXPECT_EQ(verdict("null.a.test"), "550 5.7.27");
    EXPECT_EQ(verdict("elsewhere.test"), "451 4.4.3");
    EXPECT_EQ(verdict("[192.0.2.1]"), "welcome");
    EXPECT_EQ(verdict("[127.0.0.1]"), "550 5.7.1");
    EXPECT_EQ(verdict("example"), "550 5.7.1");
    EXPECT_EQ(verdict("mail.example"), "550 5.7.1");
    EXPECT_EQ(status_of(check_sender(config, own, Address())), "welcome");
    Config lax = config;
    lax.access.verify_from = false;
    EXPECT_EQ(status_of(check_sender(lax, own, Address("bob", "nothing.a.test"))), "welcome");
}

TEST(Policy, NoDaemons) {
    Config config = a_config();
    EXPECT_EQ(status_of(check_daemon(config, Address())), "welcome");
    config.access.nodaemon = true;
    EXPECT_EQ(status_of(check_daemon(config, Address())), "550 5.7.1");
    EXPECT_EQ(status_of(check_daemon(config, Address("bob", "a.test"))), "welcome");
}

TEST(Policy, NamesInLists) {
    EXPECT_EQ(name_in_list(address("192.0.2.1"), "bad.test"), "1.2.0.192.bad.test");
    EXPECT_EQ(name_in_list(address("2001:db8::1"), "bad.test"),
              "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bad.test");
}

TEST_F(PolicyWithNsd, ListsOfBadAndGoodHosts) {
    Config config = a_config();
    config.access.dnsbl = {{"bad.test", {}}};
    const Resolver own = resolver();
    const auto status = [&](std::string_view of) {
        return consult_dns_lists(config.access, own, address(of)).status;
    };
    EXPECT_EQ(status("192.0.2.1"), ListStatus::listed);
    EXPECT_EQ(consult_dns_lists(config.access, own, address("192.0.2.1")).why,
              "192.0.2.1 is on bad.test: caught in the act?");
    EXPECT_EQ(consult_dns_lists(config.access, own, address("192.0.2.5")).why, "192.0.2.5 is on bad.test");
    EXPECT_EQ(status("192.0.2.2"), ListStatus::unknown) << "the list does not want to be asked";
    EXPECT_EQ(status("192.0.2.3"), ListStatus::unknown) << "127.0.0.1";
    EXPECT_EQ(status("192.0.2.4"), ListStatus::unknown) << "not of 127.0.0.0/8";
    EXPECT_EQ(status("192.0.2.8"), ListStatus::unknown);
    EXPECT_EQ(status("2001:db8::1"), ListStatus::listed);
    config.access.dnsbl = {{"bad.test", {*IpAddress::parse("127.0.0.9")}}};
    EXPECT_EQ(status("192.0.2.1"), ListStatus::unknown);
    EXPECT_EQ(status("2001:db8::1"), ListStatus::listed);
    config.access.dnsbl = {{"silent.test", {}}, {"bad.test", {}}};
    EXPECT_EQ(status("192.0.2.1"), ListStatus::listed) << "one that answers nothing hides nobody";
    config.access.dnswl = {{"good.test", {*IpAddress::parse("127.0.0.3")}}};
    EXPECT_EQ(status("192.0.2.5"), ListStatus::known_good);
    EXPECT_EQ(status("192.0.2.1"), ListStatus::listed);
    config.access.dnswl = {{"silent.test", {}}};
    EXPECT_EQ(status("192.0.2.5"), ListStatus::maybe_listed);
    EXPECT_EQ(status("192.0.2.8"), ListStatus::unknown);
}

TEST(Policy, ListsThatFailHaveNobody) {
    FakeDns server = ill_server();
    const Resolver resolver(test_settings({server.endpoint()}));
    Config config = a_config();
    EXPECT_EQ(consult_dns_lists(config.access, resolver, address("192.0.2.1")).status, ListStatus::unknown);
    EXPECT_EQ(server.questions(), 0);
    config.access.dnsbl = {{"one.test", {}}, {"two.test", {}}};
    EXPECT_EQ(consult_dns_lists(config.access, resolver, address("192.0.2.1")).status, ListStatus::unknown);
    EXPECT_EQ(server.questions(), 2);
}

TEST(Policy, QuestionsTogetherGoToTheNextServer) {
    FakeDns ill = ill_server();
    FakeDns well(proper_answer);
    const Resolver resolver(test_settings({ill.endpoint(), well.endpoint()}));
    const auto answers = resolver.ask_together(
        {{"one.test", DnsType::a}, {"two.test", DnsType::txt}, {"not a name", DnsType::a}}, Seconds(40));
    ASSERT_EQ(answers.size(), 3U);
    EXPECT_EQ(answers[0].status, DnsStatus::found);
    EXPECT_EQ(answers[1].status, DnsStatus::no_data);
    EXPECT_EQ(answers[2].status, DnsStatus::temporary);
    EXPECT_EQ(ill.questions(), 2);
}

TEST(Policy, ListsHaveNobodyWhileThereIsNoWayToTheServer) {
    // connect() fails at once for the address of everybody, as for a server beyond a network that is down.
    const Endpoint beyond{*IpAddress::parse("255.255.255.255"), 53};
    FakeDns well(proper_answer);
    const std::vector<DnsQuestion> questions = {{"one.test", DnsType::a}, {"two.test", DnsType::a}};
    Config config = a_config();
    config.access.dnsbl = {{"one.test", {}}, {"two.test", {}}};
    EXPECT_EQ(
        consult_dns_lists(config.access, Resolver(test_settings({beyond})), address("192.0.2.1")).status,
        ListStatus::unknown);
    const auto answers =
        Resolver(test_settings({beyond, well.endpoint()})).ask_together(questions, Seconds(40));
    EXPECT_EQ(answers.at(0).status, DnsStatus::found) << "the next server is asked";
    EXPECT_EQ(answers.at(1).status, DnsStatus::found);
}

TEST(Policy, QuestionsTogetherWaitForTheTrueAnswer) {
    FakeDns server([](const FakeQuery& query) -> std::vector<FakeAnswer> {
        FakeQuery other = query;
        other.id ^= 1;
        FakeAnswer from_elsewhere{answer_with(query, "192.0.2.66")};
        from_elsewhere.from_other_port = true;
        return {{answer_with(other, "192.0.2.66")}, {"junk"}, from_elsewhere, {answer_with(query, good)}};
    });
    const Resolver resolver(test_settings({server.endpoint()}));
    const auto answers = resolver.ask_together({{"one.test", DnsType::a}}, Seconds(20));
    ASSERT_EQ(answers.at(0).records.size(), 1U);
    EXPECT_EQ(answers[0].records[0].address.to_string(), good);
}

TEST(Policy, Solicitations) {
    EXPECT_FALSE(check_solicitation("", "a:b"));
    EXPECT_FALSE(check_solicitation("a:b", ""));
    EXPECT_FALSE(check_solicitation("a:b,c", "a,a:bc"));
    EXPECT_EQ(status_of(check_solicitation("a:b,c", "x,\t C ,y")), "550 5.7.1");
}

}  // namespace
}  // namespace postoffice
