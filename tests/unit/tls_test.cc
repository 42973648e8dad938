// TLS streams, with peers that do as they should and peers that do not.
#include "postoffice/net/tls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "local_delivery.h"
#include "postoffice/base/error.h"
#include "postoffice/base/process.h"
#include "tls_client.h"

namespace postoffice {
namespace {

using namespace testing_local;
using namespace testing_tls;

const std::string lines = "EHLO client.example\r\nQUIT\r\n";

class TlsStreams : public ::testing::Test {
  protected:
    void SetUp() override {
        ignore_sigpipe();
        const std::string file = folder_ / "pem";
        const std::string make =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "
            "/CN=host.test -keyout " +
            file + " -out " + file + ".crt 2>/dev/null && cat " + file + ".crt >>" + file;
        ASSERT_EQ(std::system(make.c_str()), 0);
        server_.emplace(file, file);
    }
    static Deadline soon() { return Deadline::after(Milliseconds(300)); }
    static Deadline late() { return Deadline::after(Seconds(30)); }

    Folder folder_;
    std::optional<TlsServer> server_;
};

TEST_F(TlsStreams, ReadWhatAClientWrites) {
    Sockets sockets = stream_pair();
    Child client([&] {
        sockets.ours.reset();
        OpensslClient peer(sockets.theirs);
        const std::string answer(100'000, 'a');
        if (!peer.is_connected() ||
            SSL_write(peer.stream(), lines.data(), static_cast<int>(lines.size())) <= 0)
            return 1;
        if (peer.read_all(answer.size()) != answer) return 2;
        char one;
        return SSL_read(peer.stream(), &one, 1) == 0 &&
                       SSL_get_error(peer.stream(), 0) == SSL_ERROR_ZERO_RETURN
                   ? 0
                   : 3;
    });
    sockets.theirs.reset();
    TlsStream stream(*server_, sockets.ours.get(), late());
    char first[4];
    EXPECT_EQ(stream.read(first, sizeof first, late()), sizeof first);
    EXPECT_TRUE(stream.has_pending()) << "the rest of the record is deciphered";
    std::string rest(1000, '\0');
    rest.resize(stream.read(rest.data(), rest.size(), late()));
    EXPECT_EQ(std::string(first, sizeof first) + rest, lines);
    EXPECT_FALSE(stream.has_pending());
    EXPECT_TRUE(stream.description().starts_with("TLSv1.3 "));
    stream.write(std::string(100'000, 'a'), late());
    stream.close();
    sockets.ours.reset();
    EXPECT_EQ(client.wait(), 0);
}

TEST_F(TlsStreams, BothEndsKnowTheirChannel) {
    for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
        Sockets sockets = stream_pair(), told = stream_pair();
        Child client([&] {
            sockets.ours.reset();
            OpensslClient peer(sockets.theirs, version);
            unsigned char exported[32] = {}, hash[32] = {};
            constexpr std::string_view label = "EXPORTER-Channel-Binding";
            SSL_export_keying_material(peer.stream(), exported, sizeof exported, label.data(), label.size(),
                                       nullptr, 0, 0);
            X509* certificate = SSL_get1_peer_certificate(peer.stream());
            X509_digest(certificate, EVP_sha256(), hash, nullptr);
            X509_free(certificate);
            send_raw(told.theirs, {reinterpret_cast<const char*>(exported), sizeof exported});
            send_raw(told.theirs, {reinterpret_cast<const char*>(hash), sizeof hash});
            return peer.is_connected() ? 0 : 1;
        });
        sockets.theirs.reset();
        TlsStream stream(*server_, sockets.ours.get(), late());
        EXPECT_EQ(client.wait(), 0);
        char known[64] = {};
        ASSERT_EQ(::recv(told.ours.get(), known, sizeof known, MSG_WAITALL), 64);
        EXPECT_EQ(stream.has_channel_binding(), version == TLS1_3_VERSION);
        if (version == TLS1_3_VERSION) {
            EXPECT_EQ(stream.channel_binding("tls-exporter"), std::string(known, 32));
            EXPECT_EQ(stream.channel_binding("tls-server-end-point"), std::string(known + 32, 32));
        } else {
            EXPECT_FALSE(stream.channel_binding("tls-exporter"));
        }
        EXPECT_FALSE(stream.channel_binding("tls-unique"));
        EXPECT_FALSE(stream.channel_binding(""));
    }
}

TEST_F(TlsStreams, AHandshakeOfNonsenseEnds) {
    std::mt19937 random(1);
    std::vector<std::string> openings = {"EHLO client.example\r\n",
                                         "GET / HTTP/1.1\r\n\r\n",
                                         std::string(5, '\0'),
                                         std::string(70'000, 'x'),
                                         std::string("\x80\x2e\x01\x00\x02", 5),
                                         std::string("\x15\x03\x01\x00\x02\x02\x28", 7)};
    for (int i = 0; i < 300; ++i) {
        // Garbage as it comes, and in a record of the right form.
        std::string garbage(random() % 400, '\0');
        for (char& c : garbage) c = static_cast<char>(random());
        if (i % 3 == 1)
            garbage = std::string("\x16\x03\x01\x00", 4) + static_cast<char>(random() % 256) + garbage;
        if (i % 3 == 2) garbage = hello_head + garbage;
        openings.push_back(std::move(garbage));
    }
    for (const std::string& opening : openings) {
        Sockets sockets = stream_pair();
        send_raw(sockets.theirs, opening);
        ::shutdown(sockets.theirs.get(), SHUT_WR);
        EXPECT_THROW(TlsStream(*server_, sockets.ours.get(), late()), PeerGone) << opening;
    }
}

TEST_F(TlsStreams, AHandshakeThatIsCutOffEnds) {
    std::string whole;
    {
        Sockets sockets = stream_pair();
        ::fcntl(sockets.theirs.get(), F_SETFL, O_NONBLOCK);
        OpensslClient peer(sockets.theirs);
        whole.resize(4096);
        whole.resize(static_cast<std::size_t>(::read(sockets.ours.get(), whole.data(), whole.size())));
    }
    for (std::size_t length = 0; length <= whole.size(); ++length) {
        Sockets sockets = stream_pair();
        send_raw(sockets.theirs, whole.substr(0, length));
        sockets.theirs.reset();
        EXPECT_THROW(TlsStream(*server_, sockets.ours.get(), late()), PeerGone) << length;
    }
}

TEST_F(TlsStreams, WhoIsSilentIsNotWaitedFor) {
    const Sockets sockets = stream_pair();
    EXPECT_THROW(TlsStream(*server_, sockets.ours.get(), soon()), Timeout);
    send_raw(sockets.theirs, hello_head);
    EXPECT_THROW(TlsStream(*server_, sockets.ours.get(), soon()), Timeout);
}

/// Sends `head`, then octets without end, one after the other, until the server has closed.
int drip(const Fd& socket, std::string_view head) {
    std::size_t sent = 0;
    do {
        const char octet = sent < head.size() ? head[sent] : 'x';
        if (::send(socket.get(), &octet, 1, MSG_NOSIGNAL) != 1) return 0;
        ::usleep(2000);
    } while (++sent < 10'000);
    return 1;
}

TEST_F(TlsStreams, WhoDripsHasNoMoreTimeThanOthers) {
    Sockets sockets = stream_pair();
    Child client([&] {
        sockets.ours.reset();
        // A record of 16 KB, which at this pace would take half a minute.
        return drip(sockets.theirs, std::string("\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", 11));
    });
    sockets.theirs.reset();
    EXPECT_THROW(TlsStream(*server_, sockets.ours.get(), soon()), Timeout);
    sockets.ours.reset();
    EXPECT_EQ(client.wait(), 0) << "it was cut off while it dripped";
}

TEST_F(TlsStreams, WhoDripsARecordHasNoMoreTimeEither) {
    Sockets sockets = stream_pair();
    Child client([&] {
        sockets.ours.reset();
        OpensslClient peer(sockets.theirs);
        return peer.is_connected() ? drip(sockets.theirs, std::string("\x17\x03\x03\x40\x00", 5)) : 2;
    });
    sockets.theirs.reset();
    TlsStream stream(*server_, sockets.ours.get(), late());
    char text[100];
    EXPECT_THROW(stream.read(text, sizeof text, soon()), Timeout);
    sockets.ours.reset();
    EXPECT_EQ(client.wait(), 0);
}

TEST_F(TlsStreams, WhoDoesNotReadIsNotWaitedFor) {
    Sockets sockets = stream_pair();
    Child client([&] {
        sockets.ours.reset();
        OpensslClient peer(sockets.theirs);
        for (char one; ::recv(sockets.theirs.get(), &one, 1, MSG_PEEK) > 0;) ::usleep(10'000);
        return 0;
    });
    sockets.theirs.reset();
    TlsStream stream(*server_, sockets.ours.get(), late());
    EXPECT_THROW(stream.write(std::string(8 << 20, 'a'), soon()), Timeout);
    client.end();
}

TEST_F(TlsStreams, GarbageInTheMiddleEnds) {
    Sockets sockets = stream_pair();
    Child client([&] {
        sockets.ours.reset();
        OpensslClient peer(sockets.theirs);
        send_raw(sockets.theirs, lines);
        return peer.is_connected() ? 0 : 1;
    });
    sockets.theirs.reset();
    TlsStream stream(*server_, sockets.ours.get(), late());
    char text[100];
    EXPECT_THROW((void)stream.read(text, sizeof text, late()), PeerGone);
    stream.close();
    EXPECT_EQ(client.wait(), 0);
}

TEST_F(TlsStreams, WhoJustLeavesIsAtTheEnd) {
    Sockets sockets = stream_pair();
    Child client([&] {
        sockets.ours.reset();
        const OpensslClient peer(sockets.theirs,
                                 TLS1_2_VERSION);  // all that the server sends is read by then
        return peer.is_connected() ? 0 : 1;
    });
    sockets.theirs.reset();
    TlsStream stream(*server_, sockets.ours.get(), late());
    char text[100];
    EXPECT_EQ(stream.read(text, sizeof text, late()), 0u);
    EXPECT_EQ(client.wait(), 0);
}

TEST(TlsKeys, MustFitAndBeThere) {
    const Folder folder;
    put(folder / "nonsense", "this is no key\n");
    put(folder / "empty", "");
    for (const std::string file : {"missing", "nonsense", "empty", "."}) try {
            TlsServer server(folder / file, folder / file);
            ADD_FAILURE() << file;
        } catch (const FormatError& error) {
            EXPECT_TRUE(std::string(error.what()).starts_with((folder / file) + ": ")) << error.what();
        }
}

/// A session that a client keeps, as a file between its processes.
class Resumption : public TlsStreams {
  protected:
    /// A connection of a client that offers the session it keeps. True: it was resumed.
    bool connect(int version) {
        Sockets sockets = stream_pair();
        const std::string kept = folder_ / "session";
        Child client([&] {
            sockets.ours.reset();
            return resume(sockets.theirs, version, kept);
        });
        sockets.theirs.reset();
        TlsStream stream(*server_, sockets.ours.get(), late());
        stream.write("x", late());
        char answer;
        EXPECT_EQ(stream.read(&answer, 1, late()), 1U);
        stream.close();
        sockets.ours.reset();
        const int code = WEXITSTATUS(client.wait());
        EXPECT_LE(code, 1);
        return code == 1;
    }
    static int resume(const Fd& socket, int version, const std::string& kept) {
        SSL_CTX* context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(context, version);
        SSL_CTX_set_max_proto_version(context, version);
        SSL* stream = SSL_new(context);
        SSL_set_fd(stream, socket.get());
        const std::string text = contents(kept);
        const auto* octets = reinterpret_cast<const unsigned char*>(text.data());
        if (SSL_SESSION* session = d2i_SSL_SESSION(nullptr, &octets, static_cast<long>(text.size())))
            SSL_set_session(stream, session);
        if (SSL_connect(stream) != 1) return 2;
        char octet;
        if (SSL_read(stream, &octet, 1) != 1 || SSL_write(stream, "y", 1) != 1) return 3;
        std::string session(static_cast<std::size_t>(i2d_SSL_SESSION(SSL_get_session(stream), nullptr)),
                            '\0');
        auto* end = reinterpret_cast<unsigned char*>(session.data());
        i2d_SSL_SESSION(SSL_get_session(stream), &end);
        put(kept, session);
        return SSL_session_reused(stream);
    }
};

TEST_F(Resumption, TicketsAreGoodForTheirTime) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        put(folder_ / "session", "");
        EXPECT_FALSE(connect(version));
        EXPECT_TRUE(connect(version));
        server_->rotate_ticket_keys();
        EXPECT_TRUE(connect(version)) << "the key before this one is known";
        server_->rotate_ticket_keys();
        EXPECT_TRUE(connect(version)) << "the client got a ticket of the new key";
        server_->rotate_ticket_keys();
        server_->rotate_ticket_keys();
        EXPECT_FALSE(connect(version)) << "the key is gone";
    }
}

TEST_F(Resumption, ProcessesSeeTheKeysOfToday) {
    SocketPair told = packet_socket_pair();
    Child session([&] {
        server_->become_reader();
        send_struct(told.theirs.get(), int{1});
        (void)receive_struct<int>(told.theirs.get());  // the keys have changed twice
        return connect(TLS1_3_VERSION) ? 1 : 0;
    });
    (void)receive_struct<int>(told.ours.get());
    EXPECT_FALSE(connect(TLS1_3_VERSION));
    server_->rotate_ticket_keys();
    server_->rotate_ticket_keys();
    send_struct(told.ours.get(), int{1});
    EXPECT_EQ(session.wait(), 0);
    EXPECT_TRUE(connect(TLS1_3_VERSION)) << "with the ticket that the other process gave";
}

TEST_F(Resumption, ASessionProcessCannotChangeTheKeys) {
    Child session([&] {
        server_->become_reader();
        server_->rotate_ticket_keys();
        return 0;
    });
    EXPECT_TRUE(WIFSIGNALED(session.wait()));
}

TEST_F(TlsStreams, AHandshakeWaitsAsItIsTold) {
    const Sockets sockets = stream_pair();
    send_raw(sockets.theirs, hello_head);
    int calls = 0;
    const auto wait = [&] {
        if (++calls == 2) throw Timeout("no patience left");
        send_raw(sockets.theirs, "x");
    };
    const auto stalled = [&] { TlsStream(*server_, sockets.ours.get(), late(), wait); };
    EXPECT_THROW(stalled(), Timeout);
}

}  // namespace
}  // namespace postoffice
