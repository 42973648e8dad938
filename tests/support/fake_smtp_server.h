// An SMTP server that follows a script, for what no real server does on purpose: one function for each
// connection, run one after the other in a thread.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/net/connection.h"

namespace postoffice::test {

/// The script's end of a connection.
class FakePeer {
  public:
    explicit FakePeer(Fd socket) : connection_(std::move(socket)) {}

    void say(std::string_view text) {
        connection_.write(text, deadline());
        connection_.flush(deadline());
    }
    /// The next line, without its end; "(closed)" at end of file.
    std::string line() {
        const Line line = connection_.read_line(2000, deadline());
        return line.status == Line::Status::closed ? "(closed)" : std::string(line.text);
    }
    /// Reads a line and answers it; returns the line.
    std::string answer(std::string_view reply) {
        std::string text = line();
        say(reply);
        return text;
    }
    /// Octets of a message up to and with the final dot's line.
    std::string body() {
        std::string wire;
        while (!wire.ends_with("\r\n.\r\n") && wire != ".\r\n") {
            const std::string_view input = connection_.peek(deadline());
            if (input.empty()) break;
            wire += input.front();
            connection_.consume(1);
        }
        return wire;
    }
    /// Greeting and EHLO.
    void greet(std::string_view extensions = "") {
        say("220 fake.test ESMTP\r\n");
        (void)line();
        std::string reply = "250-fake.test\r\n";
        reply.append(extensions).append("250 HELP\r\n");
        say(reply);
    }
    /// Reads STARTTLS, and goes on under TLS.
    void start_tls(const TlsServer& server) {
        (void)answer("220 2.0.0 go\r\n");
        secure(server);
    }
    /// Goes on under TLS, or begins with it.
    void secure(const TlsServer& server) { connection_.start_tls(server, deadline()); }
    /// Until the client has left.
    void wait_for_close() {
        while (line() != "(closed)") {
        }
    }

  private:
    static Deadline deadline() { return Deadline::after(Seconds(60)); }
    Connection connection_;
};

class FakeServer {
  public:
    using Script = std::function<void(FakePeer&)>;

    /// Listens on `address`, at `port` or at one that the kernel chooses.
    explicit FakeServer(std::vector<Script> scripts, const std::string& address = "127.0.0.1",
                        std::uint16_t port = 0)
        : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const int on = 1;
        (void)::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_storage storage;
        const socklen_t length = Endpoint{IpAddress::parse(address).value(), port}.to_sockaddr(storage);
        if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) throw_errno("bind");
        if (::listen(listener_.get(), 8) != 0) throw_errno("listen");
        endpoint_ = Endpoint::local_of(listener_.get()).value();
        thread_ = std::thread([this, scripts = std::move(scripts)] { run(scripts); });
    }
    ~FakeServer() {
        stop_ = true;
        thread_.join();
    }

    const Endpoint& endpoint() const { return endpoint_; }
    /// How many connections there were.
    int connections() const { return connections_; }

  private:
    void run(const std::vector<Script>& scripts) {
        for (const Script& script : scripts) {
            pollfd waiting{listener_.get(), POLLIN, 0};
            while (!stop_ && ::poll(&waiting, 1, 10) == 0) {
            }
            if (stop_) return;
            Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            ++connections_;
            FakePeer peer(std::move(socket));
            try {
                script(peer);
            } catch (const std::exception&) {
                // The client left in the middle; its own test says whether it should have.
            }
        }
    }

    Fd listener_;
    Endpoint endpoint_;
    std::atomic<bool> stop_ = false;
    std::atomic<int> connections_ = 0;
    std::thread thread_;
};

}  // namespace postoffice::test
