// TLS as the client, by STARTTLS and before the greeting: what it begins, what it forgets, and servers with
// which it fails. RFC 3207, RFC 8314.
#include <gtest/gtest.h>

#include "postoffice/base/process.h"
#include "smtp_client_dialogue.h"
#include "tls_files.h"

namespace postoffice {
namespace {

using namespace testing_smtp_client;
using Use = ClientTls::Use;
using Check = TlsPeer::Check;

constexpr std::string_view offer = "250-STARTTLS\r\n";

class SmtpClientTls : public ::testing::Test {
  protected:
    SmtpClientTls() : server_(files_.certificate, files_.key), client_(files_.certificate) {
        ignore_sigpipe();
    }

    /// Any certificate will do.
    ClientTls tls(Use use) { return {use, {"mx.test"}, &client_, "policy"}; }
    /// The certificate must be one for `name`.
    ClientTls tls_for(const std::string& name, Use use = Use::required) {
        return {use, {"mx.test", Check::names, {name}}, &client_, "verify"};
    }
    /// A server that begins TLS, offers `extensions` under it, and takes one message.
    FakeServer::Script taker(std::string extensions = "") {
        return [this, extensions](FakePeer& p) {
            p.greet(offer);
            p.start_tls(server_);
            (void)p.line();
            p.say("250-fake.test\r\n" + extensions + "250 HELP\r\n");
            take_message(p);
        };
    }
    /// TLS from the first octet.
    ClientTls implicit(ClientTls tls) {
        tls.is_implicit = true;
        return tls;
    }
    static void take_message(FakePeer& p) {
        p.answer("250 ok\r\n");
        p.answer("250 ok\r\n");
        p.answer("354 go\r\n");
        p.body();
        p.say("250 2.0.0 taken\r\n");
        p.answer("221 bye\r\n");
    }
    /// A server without TLS.
    static void take_in_the_clear(FakePeer& p) {
        p.greet();
        take_message(p);
    }

    testing_tls::Files files_{"mx.test"};
    TlsServer server_;
    TlsClient client_;
};

TEST_F(SmtpClientTls, BeginsWhereItIsOffered) {
    FakeServer server({taker()});
    Dialogue d(server.endpoint(), tls(Use::if_offered));
    ASSERT_FALSE(d.client.refusal());
    ASSERT_NE(d.client.tls(), nullptr);
    EXPECT_FALSE(d.client.is_verified());
    EXPECT_FALSE(d.client.tls_failure());
    const auto result = d.send().recipients.at(0);
    EXPECT_EQ(result.outcome, Outcome::delivered);
    EXPECT_TRUE(result.tls.starts_with("TLSv1.3 ")) << result.tls;
    EXPECT_EQ(result.tls_policy, "policy");
}

TEST_F(SmtpClientTls, BeginsBeforeTheGreetingOfAPortThatIsUnderTls) {
    FakeServer server({[this](FakePeer& p) {
        p.secure(server_);
        p.greet("250-SIZE 0\r\n250-STARTTLS\r\n");
        take_message(p);
    }});
    Dialogue d(server.endpoint(), implicit(tls_for("mx.test")));
    ASSERT_FALSE(d.client.refusal()) << d.client.refusal()->reply.line();
    EXPECT_TRUE(d.client.is_verified());
    const auto result = d.send().recipients.at(0);
    EXPECT_EQ(result.outcome, Outcome::delivered);
    EXPECT_TRUE(result.tls.starts_with("TLSv1.3 ")) << result.tls;
}

TEST_F(SmtpClientTls, SaysNothingInTheClearToAPortThatShouldBeUnderTls) {
    std::string heard;
    {
        FakeServer server({[&heard](FakePeer& p) {
            p.say("220 fake.test ready\r\n");
            for (std::string line = p.line(); line != "(closed)"; line = p.line()) heard += line;
        }});
        Dialogue d(server.endpoint(), implicit(tls(Use::required)));
        ASSERT_TRUE(d.client.refusal());
        EXPECT_EQ(d.client.refusal()->outcome, Outcome::deferred);
        EXPECT_EQ(d.client.refusal()->reply.status, "4.7.5");
        EXPECT_EQ(server.connections(), 1);
    }
    for (const char* word : {"HELO", "EHLO", "QUIT", "own.test"})
        EXPECT_EQ(heard.find(word), heard.npos) << word;
}

TEST_F(SmtpClientTls, APortUnderTlsWithACertificateForAnotherNameGetsNoMail) {
    FakeServer server({[this](FakePeer& p) {
        p.secure(server_);
        p.greet();
    }});
    Dialogue d(server.endpoint(), implicit(tls_for("other.test")));
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->reply.status, "4.7.5");
}

TEST_F(SmtpClientTls, WhatWasOfferedInTheClearIsForgotten) {
    FakeServer server({[this](FakePeer& p) {
        p.greet("250-SIZE 5\r\n250-DSN\r\n250-LIMITS RCPTMAX=1\r\n250-STARTTLS\r\n");
        p.start_tls(server_);
        p.answer("250 fake.test\r\n");
        EXPECT_EQ(p.answer("250 ok\r\n"), "MAIL FROM:<alice@a.test>");
        p.answer("550 no\r\n");
    }});
    Dialogue d(server.endpoint(), tls(Use::if_offered));
    EXPECT_EQ(d.client.extensions().size_limit, 0U);
    EXPECT_GT(d.client.most_recipients(), 1U);
    EXPECT_EQ(d.send().recipients.at(0).reply.code, 550);
}

TEST_F(SmtpClientTls, WithoutAnOfferMailGoesInTheClearUnlessTlsIsRequired) {
    FakeServer server({take_in_the_clear, [](FakePeer& p) {
                           p.greet();
                           EXPECT_EQ(p.answer("221 bye\r\n"), "QUIT");
                       }});
    Dialogue may(server.endpoint(), tls(Use::if_offered));
    EXPECT_EQ(may.send().recipients.at(0).outcome, Outcome::delivered);
    EXPECT_EQ(may.client.tls_failure()->type, "starttls-not-supported");
    may.client.quit();
    const Dialogue must(server.endpoint(), tls(Use::required));
    ASSERT_TRUE(must.client.refusal());
    EXPECT_EQ(must.client.refusal()->outcome, Outcome::deferred);
    EXPECT_EQ(must.client.refusal()->reply.status, "4.7.4");
}

TEST_F(SmtpClientTls, RefusedStarttlsLeavesTheConnectionInTheClear) {
    for (const char* reply : {"454 4.7.0 not now\r\n", "501 5.5.4 no\r\n", "502 what\r\n"}) {
        const auto refuse = [reply](FakePeer& p) {
            p.greet(offer);
            EXPECT_EQ(p.answer(reply), "STARTTLS");
        };
        FakeServer server({[&](FakePeer& p) {
                               refuse(p);
                               take_message(p);
                           },
                           [&](FakePeer& p) {
                               refuse(p);
                               EXPECT_EQ(p.answer("221 bye\r\n"), "QUIT");
                           }});
        Dialogue may(server.endpoint(), tls(Use::if_offered));
        EXPECT_EQ(may.send().recipients.at(0).outcome, Outcome::delivered);
        EXPECT_EQ(server.connections(), 1);
        may.client.quit();
        const Dialogue must(server.endpoint(), tls(Use::required));
        ASSERT_TRUE(must.client.refusal());
        EXPECT_EQ(must.client.refusal()->outcome, Outcome::deferred);
    }
}

/// What a server does once it has got STARTTLS, with which no session comes about.
struct Breakage {
    const char* name;
    FakeServer::Script script;
};

TEST_F(SmtpClientTls, AfterABrokenHandshakeMailGoesOverANewConnectionInTheClear) {
    const std::string injected = "220 go\r\n250-injected\r\n250 SIZE 1\r\n";
    for (const Breakage& breakage :
         {Breakage{"hangs up", [](FakePeer& p) { (void)p.line(); }},
          Breakage{"hangs up after 220", [](FakePeer& p) { p.answer("220 go\r\n"); }},
          Breakage{"421", [](FakePeer& p) { p.answer("421 leaving\r\n"); }},
          Breakage{"354", [](FakePeer& p) { p.answer("354 what\r\n"); }},
          Breakage{"garbage",
                   [](FakePeer& p) {
                       p.answer("220 go\r\n");
                       p.say("this is not TLS at all, whatever the client says\r\n");
                   }},
          Breakage{"text after 220", [&](FakePeer& p) { p.answer(injected); }},
          Breakage{"hangs up on EHLO under TLS", [this](FakePeer& p) {
                       p.start_tls(server_);
                       (void)p.line();
                   }}}) {
        const auto broken = [&](FakePeer& p) {
            p.greet(offer);
            breakage.script(p);
        };
        FakeServer server({broken,
                           [](FakePeer& p) {
                               p.greet(offer);
                               take_message(p);
                           },
                           broken});
        Dialogue may(server.endpoint(), tls(Use::if_offered));
        ASSERT_FALSE(may.client.refusal()) << breakage.name;
        EXPECT_EQ(may.client.tls(), nullptr);
        ASSERT_TRUE(may.client.tls_failure()) << breakage.name;
        EXPECT_EQ(may.send().recipients.at(0).outcome, Outcome::delivered) << breakage.name;
        EXPECT_EQ(server.connections(), 2) << breakage.name;
        may.client.quit();
        const Dialogue must(server.endpoint(), tls(Use::required));
        ASSERT_TRUE(must.client.refusal()) << breakage.name;
        EXPECT_EQ(must.client.refusal()->outcome, Outcome::deferred);
        EXPECT_EQ(must.client.refusal()->reply.status, "4.7.5") << must.client.refusal()->reply.line();
        EXPECT_EQ(server.connections(), 3) << breakage.name;
    }
}

TEST_F(SmtpClientTls, NamesAreCheckedWhereThePolicyAsks) {
    FakeServer server({taker()});
    Dialogue d(server.endpoint(), tls_for("mx.test"));
    ASSERT_FALSE(d.client.refusal()) << d.client.refusal()->reply.line();
    EXPECT_TRUE(d.client.is_verified());
    EXPECT_EQ(d.send().recipients.at(0).outcome, Outcome::delivered);
}

TEST_F(SmtpClientTls, ACertificateForAnotherNameGetsNoMail) {
    FakeServer server({[this](FakePeer& p) {
                           p.greet(offer);
                           p.start_tls(server_);
                           EXPECT_EQ(p.answer("221 bye\r\n"), "QUIT");
                       },
                       taker()});
    const Dialogue must(server.endpoint(), tls_for("other.test"));
    ASSERT_TRUE(must.client.refusal());
    EXPECT_EQ(must.client.refusal()->reply.status, "4.7.5");
    EXPECT_EQ(must.client.tls_failure()->type, "certificate-host-mismatch");
    // Where TLS is not required the failure is reported, and no more.
    Dialogue tested(server.endpoint(), tls_for("other.test", Use::if_offered));
    ASSERT_FALSE(tested.client.refusal());
    EXPECT_FALSE(tested.client.is_verified());
    EXPECT_EQ(tested.client.tls_failure()->type, "certificate-host-mismatch");
    EXPECT_EQ(tested.send().recipients.at(0).outcome, Outcome::delivered);
}

TEST_F(SmtpClientTls, AnAuthorityThatIsNotKnownIsNotTrusted) {
    FakeServer server({taker()});
    TlsClient stranger;
    const Dialogue d(server.endpoint(),
                     ClientTls{Use::required, {"mx.test", Check::names, {"mx.test"}}, &stranger, "verify"});
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.tls_failure()->type, "certificate-not-trusted");
}

TEST_F(SmtpClientTls, AFingerprintIsOfTheCertificateOrItsKey) {
    for (const std::string& fingerprint : files_.fingerprints()) {
        ASSERT_EQ(fingerprint.size(), 64U) << fingerprint;
        FakeServer server({taker(), taker()});
        ClientTls tls{
            Use::required, {"mx.test", Check::fingerprint, {}, {fingerprint}}, &client_, "fingerprint"};
        EXPECT_TRUE(Dialogue(server.endpoint(), tls).client.is_verified());
        tls.peer.fingerprints[0][0] = fingerprint[0] == 'a' ? 'b' : 'a';
        EXPECT_TRUE(Dialogue(server.endpoint(), tls).client.refusal());
    }
}

TEST_F(SmtpClientTls, TlsaRecordsSayWhichCertificateItIs) {
    const auto octets = [](const std::string& digits) {
        std::string text;
        for (std::size_t i = 0; i < digits.size(); i += 2)
            text += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
        return text;
    };
    const auto [of_certificate, of_key] = files_.fingerprints();
    const TlsaRecord by_key{3, 1, 1, octets(of_key)}, by_certificate{3, 0, 1, octets(of_certificate)};
    const TlsaRecord by_anchor{2, 0, 1, octets(of_certificate)}, wrong{3, 1, 1, std::string(32, 'x')};
    const auto is_taken = [&](const std::vector<TlsaRecord>& records, const std::string& name) {
        FakeServer server({taker()});
        const Dialogue d(server.endpoint(),
                         ClientTls{Use::required, {name, Check::dane, {}, {}, records}, &client_, "dane"});
        return d.client.is_verified();
    };
    EXPECT_TRUE(is_taken({by_key}, "mx.test"));
    EXPECT_TRUE(is_taken({by_key}, "other.test"));  // RFC 7672 section 3.1.1
    EXPECT_TRUE(is_taken({wrong, by_certificate}, "mx.test"));
    EXPECT_FALSE(is_taken({wrong}, "mx.test"));
    EXPECT_FALSE(is_taken({by_anchor}, "mx.test"));  // an anchor is no certificate of a server
    for (const TlsaRecord& record : {by_key, by_certificate, by_anchor, wrong})
        EXPECT_TRUE(client_.can_use(record));
    for (const TlsaRecord& record :
         {TlsaRecord{0, 0, 1, by_key.data}, TlsaRecord{1, 1, 1, by_key.data}, TlsaRecord{3, 1, 1, "short"},
          TlsaRecord{3, 1, 9, by_key.data}, TlsaRecord{3, 9, 1, by_key.data},
          TlsaRecord{3, 0, 0, "no certificate"}, TlsaRecord{255, 255, 255, ""}})
        EXPECT_FALSE(client_.can_use(record))
            << int{record.usage} << int{record.selector} << int{record.matching_type};
}

TEST_F(SmtpClientTls, ASessionIsResumedForTheSameCheckAlone) {
    FakeServer server({taker(), taker(), taker()});
    const auto is_resumed = [&](const ClientTls& tls) {
        Dialogue d(server.endpoint(), tls);
        if (d.client.tls() == nullptr) return false;
        const bool resumed = d.client.tls()->is_resumed();
        (void)d.send();
        d.client.quit();
        return resumed;
    };
    EXPECT_FALSE(is_resumed(tls_for("mx.test")));
    EXPECT_TRUE(is_resumed(tls_for("mx.test")));
    EXPECT_FALSE(is_resumed(tls(Use::if_offered)));
}

TEST_F(SmtpClientTls, AuthoritiesThatCannotBeReadAreNoFaultOfTheServer) {
    FakeServer server({[](FakePeer& p) { p.greet(offer); }});
    TlsClient broken("/nonexistent.pem");
    const TlsPeer expected{.server_name = "mx.test", .check = TlsPeer::Check::names, .names = {"mx.test"}};
    const Dialogue d(server.endpoint(), ClientTls{Use::if_offered, expected, &broken, "may"});
    ASSERT_TRUE(d.client.refusal());
    EXPECT_EQ(d.client.refusal()->reply.status, "4.3.5");
    EXPECT_EQ(server.connections(), 1);
}

}  // namespace
}  // namespace postoffice
