// Logins at relay hosts: the mechanism that is chosen, what it says, and what it makes of the server's words.
#include <gtest/gtest.h>

#include "postoffice/base/base64.h"
#include "postoffice/base/text.h"
#include "postoffice/outbound/relay_login.h"
#include "postoffice/policy/scram.h"

namespace postoffice {
namespace {

using namespace std::string_literals;

const RelayLogin password{"club", "s3cret", false};
const RelayLogin token{"club", "t0ken", true};

std::string chosen(std::string_view offered, const RelayLogin& login) {
    const auto exchange = choose_mechanism(offered, login, "smtp.test", 587);
    return exchange ? std::string(exchange->mechanism()) : "";
}

TEST(SaslMechanism, TheStrongestThatIsOffered) {
    struct Case {
        std::string_view offered, for_password, for_token;
    };
    const std::string_view best = has_scram ? "SCRAM-SHA-256" : "PLAIN";
    for (const Case& c : std::initializer_list<Case>{
             {"", "", ""},
             {"PLAIN", "PLAIN", ""},
             {"login plain", "PLAIN", ""},
             {"LOGIN CRAM-MD5", "LOGIN", ""},
             {"PLAIN LOGIN SCRAM-SHA-256", best, ""},
             {"GSSAPI NTLM", "", ""},
             {"PLAIN XOAUTH2", "PLAIN", "XOAUTH2"},
             {"XOAUTH2 OAUTHBEARER", "", "OAUTHBEARER"},
         }) {
        EXPECT_EQ(chosen(c.offered, password), c.for_password) << c.offered;
        EXPECT_EQ(chosen(c.offered, token), c.for_token) << c.offered;
    }
}

TEST(SaslMechanism, AProofIsBoundToTheChannelWhereBothEndsCan) {
    if (!has_scram) GTEST_SKIP() << "NEEDS a build with TLS";
    struct Case {
        std::string_view offered, mechanism, header;
        bool has_channel, has_data;
    };
    const std::string_view both = "SCRAM-SHA-256 SCRAM-SHA-256-PLUS", plus = "SCRAM-SHA-256-PLUS";
    for (const Case& c : std::initializer_list<Case>{
             {both, plus, "p=tls-exporter,,", true, true},
             {plus, plus, "p=tls-exporter,,", true, true},
             {"SCRAM-SHA-256", "SCRAM-SHA-256", "y,,", true, true},
             {both, "SCRAM-SHA-256", "n,,", true, false},
             {both, "SCRAM-SHA-256", "n,,", false, false},
             {"PLAIN", "PLAIN", "", true, true},
         }) {
        ChannelBinding channel;
        if (c.has_channel)
            channel = [&c](std::string_view) { return c.has_data ? std::optional("data"s) : std::nullopt; };
        const auto exchange = choose_mechanism(c.offered, password, "smtp.test", 587, channel);
        ASSERT_TRUE(exchange) << c.offered;
        EXPECT_EQ(exchange->mechanism(), c.mechanism);
        const std::string first = *exchange->initial_response();
        EXPECT_TRUE(first.starts_with(c.header)) << first;
        if (c.header.empty()) continue;
        const std::string nonce = first.substr(first.find("r=") + 2);
        const auto answer = exchange->respond("r=" + nonce + "x,s=c2FsdA==,i=4096");
        ASSERT_TRUE(answer);
        const std::string bound = std::string(c.header) + (c.mechanism == plus ? "data" : "");
        EXPECT_TRUE(answer->starts_with("c=" + base64(bound) + ",r=")) << *answer;
    }
    EXPECT_EQ(choose_mechanism(plus, password, "smtp.test", 587), nullptr) << "not without TLS 1.3";
}

TEST(SaslMechanism, PlainLoginAndTokensSayWhatTheirSpecificationsSay) {
    const auto plain = choose_mechanism("PLAIN", password, "smtp.test", 587);
    EXPECT_EQ(plain->initial_response(), "\0club\0s3cret"s);
    EXPECT_EQ(plain->respond("more?"), std::nullopt);
    const auto login = choose_mechanism("LOGIN", password, "smtp.test", 587);
    EXPECT_EQ(login->initial_response(), std::nullopt);
    EXPECT_EQ(login->respond("Username:"), "club");
    EXPECT_EQ(login->respond("Password:"), "s3cret");
    EXPECT_EQ(login->respond("again?"), std::nullopt);
    const auto bearer = choose_mechanism("OAUTHBEARER", token, "smtp.test", 587);
    EXPECT_EQ(bearer->initial_response(), "n,a=club,\1host=smtp.test\1port=587\1auth=Bearer t0ken\1\1"s);
    EXPECT_EQ(bearer->respond("{\"status\":\"invalid_token\"}"), "\1"s);
    EXPECT_EQ(bearer->respond("again?"), std::nullopt);
    const auto xoauth = choose_mechanism("XOAUTH2", token, "smtp.test", 587);
    EXPECT_EQ(xoauth->initial_response(), "user=club\1auth=Bearer t0ken\1\1"s);
    EXPECT_EQ(xoauth->respond("{}"), "");
}

class ScramTest : public testing::Test {
  protected:
    void SetUp() override {
        if (!has_scram) GTEST_SKIP() << "NEEDS a build with TLS";
        exchange_ = choose_mechanism("SCRAM-SHA-256", {"a,b=c", "pencil", false}, "smtp.test", 587);
        first_ = exchange_->initial_response()->substr(3);
    }
    std::string nonce() const { return first_.substr(first_.find("r=") + 2); }

    std::unique_ptr<SaslExchange> exchange_;
    std::string first_;  // the bare message
};

// The verifier is the one of RFC 7677 section 3.
TEST_F(ScramTest, TheServerCanCheckTheProofAndProvesTheRest) {
    const std::string salt = base64("W\x1c\x1d 16 octets..");
    EXPECT_EQ(first_.substr(0, 13), "n=a=2Cb=3Dc,r");
    const std::string challenge = "r=" + nonce() + "server,s=" + salt + ",i=4096";
    const auto answer = exchange_->respond(challenge);
    ASSERT_TRUE(answer);
    const auto at = answer->find(",p=");
    const std::string without_proof = answer->substr(0, at);
    EXPECT_EQ(without_proof, "c=biws,r=" + nonce() + "server");
    const std::string proved = first_ + "," + challenge + "," + without_proof;
    const ScramProof right = make_scram_proof("pencil", *decode_base64(salt), 4096, proved);
    EXPECT_EQ(answer->substr(at + 3), base64({reinterpret_cast<const char*>(right.client_proof.data()), 32}));
    EXPECT_FALSE(exchange_->is_satisfied());
    EXPECT_EQ(
        exchange_->respond("v=" + base64({reinterpret_cast<const char*>(right.server_signature.data()), 32})),
        "");
    EXPECT_TRUE(exchange_->is_satisfied());
}

TEST_F(ScramTest, AServerThatDoesNotKnowThePasswordIsNotBelieved) {
    ASSERT_TRUE(exchange_->respond("r=" + nonce() + "x,s=c2FsdA==,i=4096"));
    EXPECT_EQ(exchange_->respond("v=" + base64(std::string(32, 'x'))), std::nullopt);
    EXPECT_FALSE(exchange_->is_satisfied());
}

TEST_F(ScramTest, BadChallengesAreNotAnswered) {
    const std::string n = nonce();
    for (const std::string& bad :
         {""s, "x"s, "r=other,s=c2FsdA==,i=4096"s, "r=" + n + ",s=c2FsdA==,i=4096", "r=" + n + "x,s=,i=4096",
          "r=" + n + "x,s=!,i=4096", "r=" + n + "x,s=c2FsdA==,i=1", "r=" + n + "x,s=c2FsdA==,i=99999999",
          "r=" + n + "x,s=c2FsdA==", "e=other-error"s, std::string(5000, ',')}) {
        const auto exchange = choose_mechanism("SCRAM-SHA-256", password, "smtp.test", 587);
        (void)exchange->initial_response();
        EXPECT_EQ(exchange->respond(bad), std::nullopt) << bad;
    }
}

// RFC 7677 section 3, by the functions that the mechanism uses.
TEST(ScramProofs, AreThoseOfTheExampleInTheRfc) {
    if (!has_scram) GTEST_SKIP() << "NEEDS a build with TLS";
    const std::string nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const std::string all =
        "n=user,r=rOprNGfwEbeRWgbNEkqO,r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=" + nonce;
    const ScramProof proof =
        make_scram_proof("pencil", *decode_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, all);
    EXPECT_EQ(base64({reinterpret_cast<const char*>(proof.client_proof.data()), 32}),
              "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    EXPECT_EQ(base64({reinterpret_cast<const char*>(proof.server_signature.data()), 32}),
              "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

}  // namespace
}  // namespace postoffice
