// The key keeper, asked by sessions that were captured: what is no question gets no signature, and costs
// only the session that asked.
#include "postoffice/net/private_key.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <memory>

#include "postoffice/base/error.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/process.h"
#include "postoffice/daemon/key_keeper.h"

namespace postoffice {
namespace {

using QuestionKind = SignatureQuestion::Kind;

class KeyKeeperTest : public testing::Test {
  protected:
    KeyKeeperTest() {
        ignore_sigpipe();
        key_.reset(EVP_EC_gen("P-256"));
        Fd file(::memfd_create("test key", MFD_CLOEXEC));
        const std::unique_ptr<BIO, decltype(&BIO_free)> output(BIO_new_fd(file.get(), BIO_NOCLOSE), BIO_free);
        (void)PEM_write_bio_PrivateKey(output.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
        const int offers = offers_.theirs.get();
        pid_ = spawn_process("key keeper",
                             [&] { return run_key_keeper(std::move(file), Fd(::dup(offers)), [] {}); });
    }
    ~KeyKeeperTest() override {
        (void)::kill(pid_, SIGTERM);
        int status = 0;
        EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "it goes on whatever it is asked";
    }

    KeyChannelEnds session() const { return KeyKeeperHandle(offers_.ours).open_channel(); }

    static SignatureQuestion question(QuestionKind kind = QuestionKind::ecdsa) {
        SignatureQuestion made;
        made.kind = kind;
        made.size = 32;
        std::memset(made.octets, 7, made.size);
        return made;
    }

    /// Octets of the signature; 0 if the keeper has hung up.
    static std::size_t answer_to(const KeyChannelEnds& ends, const void* text, std::size_t size) {
        if (::write(ends.questions.get(), text, size) != static_cast<ssize_t>(size)) return 0;
        SignatureAnswer answer;
        pollfd waiting{ends.answers.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&waiting, 1, 20'000), 1) << "neither an answer nor an end";
        return ::read(ends.answers.get(), &answer, sizeof answer) == sizeof answer ? answer.size : 0;
    }
    static std::size_t answer_to(const KeyChannelEnds& ends, const SignatureQuestion& asked) {
        return answer_to(ends, &asked, sizeof asked);
    }

    SocketPair offers_ = packet_socket_pair();
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, EVP_PKEY_free};
    pid_t pid_ = 0;
};

TEST_F(KeyKeeperTest, SignsForEachSession) {
    const KeyChannelEnds one = session(), two = session();
    for (int i = 0; i < 3; ++i)
        for (const auto* ends : {&one, &two}) EXPECT_GE(answer_to(*ends, question()), 68U);
}

TEST_F(KeyKeeperTest, IsNotHeldUpByNonsense) {
    const KeyChannelEnds good = session();
    SignatureQuestion strange = question();
    strange.tag = 1;
    SignatureQuestion too_long = question();
    too_long.size = 60000;
    for (const SignatureQuestion& asked :
         {strange, too_long, question(QuestionKind::rsa_raw), question(static_cast<QuestionKind>(9))}) {
        EXPECT_EQ(answer_to(session(), asked), 0U);
        EXPECT_GE(answer_to(good, question()), 68U);
    }
    EXPECT_EQ(answer_to(session(), "x", 1), 0U) << "less than a question";
    EXPECT_GE(answer_to(good, question()), 68U);
}

TEST_F(KeyKeeperTest, LeavesASessionThatDoesNotReadItsAnswers) {
    const KeyChannelEnds good = session(), deaf = session();
    const SignatureQuestion asked = question();
    for (int i = 0; i < 200; ++i)
        if (::write(deaf.questions.get(), &asked, sizeof asked) != sizeof asked) break;
    EXPECT_GE(answer_to(good, question()), 68U);
    SignatureAnswer answer;
    while (::read(deaf.answers.get(), &answer, sizeof answer) == sizeof answer) continue;
    EXPECT_EQ(::write(deaf.questions.get(), &asked, sizeof asked), -1) << "it hung up";
}

TEST_F(KeyKeeperTest, TakesPipesOnly) {
    const SocketPair sockets = packet_socket_pair();
    const int pair[] = {sockets.ours.get(), sockets.theirs.get()};
    send_struct(offers_.ours.get(), KeyChannelOffer(), pair);
    send_struct(offers_.ours.get(), KeyChannelOffer(), std::span(pair).first(1));
    send_struct(offers_.ours.get(), KeyChannelOffer{7}, pair);
    EXPECT_GE(answer_to(session(), question()), 68U);
}

TEST(PrivateKeyTest, WhatIsNoKeyIsRefused) {
    const Fd empty(::memfd_create("no key", MFD_CLOEXEC));
    EXPECT_THROW(PrivateKey{empty.get()}, FormatError);
}

TEST(PrivateKeyTest, WithoutAKeeperNothingIsSigned) {
    set_key_channel(Fd(), Fd());
    EXPECT_THROW(check_key_pair("/nonexistent/certificate", "/nonexistent/key"), FormatError);
}

}  // namespace
}  // namespace postoffice
