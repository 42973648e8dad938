// The client's end of a TLS stream, which keeps to the protocol or does not.
#pragma once

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"

namespace postoffice::testing_tls {

/// The beginning of a handshake that is never gone on with: a record of 200 octets, of a ClientHello.
inline const std::string hello_head("\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", 11);

struct Sockets {
    Fd ours, theirs;
};

/// Our end does not block, as TlsStream wants it.
inline Sockets stream_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("socketpair");
    if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) throw_errno("fcntl");
    return {Fd(ends[0]), Fd(ends[1])};
}

inline void send_raw(const Fd& socket, std::string_view octets) {
    (void)!::send(socket.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
}

class OpensslClient {
  public:
    explicit OpensslClient(const Fd& socket, int newest = TLS1_3_VERSION)
        : context_(SSL_CTX_new(TLS_client_method())), stream_(nullptr) {
        SSL_CTX_set_max_proto_version(context_, newest);
        stream_ = SSL_new(context_);
        SSL_set_fd(stream_, socket.get());
        is_connected_ = SSL_connect(stream_) == 1;
    }
    ~OpensslClient() {
        SSL_free(stream_);
        SSL_CTX_free(context_);
    }
    OpensslClient(const OpensslClient&) = delete;
    OpensslClient& operator=(const OpensslClient&) = delete;
    bool is_connected() const { return is_connected_; }
    SSL* stream() const { return stream_; }
    std::string read_all(std::size_t count) {
        std::string text(count, '\0');
        std::size_t have = 0;
        for (std::size_t got = 0;
             have < count && SSL_read_ex(stream_, text.data() + have, count - have, &got) == 1;)
            have += got;
        return text.substr(0, have);
    }

  private:
    SSL_CTX* context_;
    SSL* stream_;
    bool is_connected_ = false;
};

}  // namespace postoffice::testing_tls
