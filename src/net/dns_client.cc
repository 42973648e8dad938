#include "postoffice/net/dns_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/net/connect.h"
#include "postoffice/net/connection.h"
#include "postoffice/net/kernel_random.h"

namespace postoffice {
namespace {

struct Query {
    std::uint16_t id = 0;
    const DnsQuestion& question;
    std::string octets;
};

Query make_query(const DnsQuestion& question, bool with_edns) {
    const auto id = static_cast<std::uint16_t>(KernelRandom()());
    auto octets = encode_query(id, question, with_edns);
    if (!octets) throw FormatError("not a domain name");
    return {id, question, *std::move(octets)};
}

// A server that cannot even read a question may answer with a bare header.
bool may_lack_question(const DnsMessage& message) {
    return message.code != DnsCode::no_error && message.code != DnsCode::no_such_name &&
           !message.is_truncated;
}

bool answers(const DnsMessage& message, const Query& query) {
    if (!message.is_response || message.id != query.id) return false;
    return message.question ? *message.question == query.question : may_lack_question(message);
}

// Empty, with errno, if there is no way to the server's network.
Fd udp_socket_to(const Endpoint& server) {
    sockaddr_storage storage{};
    const socklen_t length = server.to_sockaddr(storage);
    Fd socket(::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) throw_errno("socket");
    // A connected socket takes datagrams from this server alone, and hears that its port is closed.
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) return {};
    return socket;
}

bool wait_readable(int socket, Deadline deadline) {
    for (;;) {
        pollfd waiting{socket, POLLIN, 0};
        const int n = ::poll(&waiting, 1, deadline.poll_timeout());
        if (n > 0) return true;
        if (n < 0 && errno != EINTR) throw_errno("poll");
        if (n == 0 && deadline.passed()) return false;
    }
}

DnsMessage ask_by_udp(const Endpoint& server, const DnsQuestion& question, bool with_edns,
                      Deadline deadline) {
    const Query query = make_query(question, with_edns);
    const Fd socket = udp_socket_to(server);
    if (!socket) throw_errno("connect");
    if (::send(socket.get(), query.octets.data(), query.octets.size(), MSG_NOSIGNAL) < 0) throw_errno("send");
    constexpr std::size_t largest = 65536;
    const auto buffer = std::make_unique_for_overwrite<char[]>(largest);
    int ignored = 0;
    while (wait_readable(socket.get(), deadline)) {
        const ssize_t n = ::recv(socket.get(), buffer.get(), largest, 0);
        if (n < 0) {
            if (errno == EINTR || errno == EAGAIN) continue;
            throw_errno("receive");
        }
        auto message = decode_message({buffer.get(), static_cast<std::size_t>(n)});
        if (message && answers(*message, query)) return *std::move(message);
        ++ignored;
        if (deadline.passed()) break;  // a flood must not hold us
    }
    if (ignored > 0) throw Timeout(fmt::format("no answer in time, {} packets ignored", ignored));
    throw Timeout("no answer in time");
}

std::string read_exactly(Connection& connection, std::size_t size, Deadline deadline) {
    std::string octets;
    while (octets.size() < size) {
        const auto arrived = connection.peek(deadline).substr(0, size - octets.size());
        if (arrived.empty()) throw PeerGone("connection closed in the middle of an answer");
        octets += arrived;
        connection.consume(arrived.size());
    }
    return octets;
}

DnsMessage ask_by_tcp(const Endpoint& server, const DnsQuestion& question, bool with_edns,
                      Deadline deadline) {
    const Query query = make_query(question, with_edns);
    Connection connection(connect_to(server, deadline));
    // Length and message in one segment (RFC 7766 section 8).
    const std::array<char, 2> size = {static_cast<char>(query.octets.size() >> 8 & 0xff),
                                      static_cast<char>(query.octets.size() & 0xff)};
    connection.write(std::string(size.data(), size.size()) + query.octets, deadline);
    connection.flush(deadline);
    const std::string head = read_exactly(connection, 2, deadline);
    const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(head[0])) << 8 |
                               static_cast<unsigned char>(head[1]);
    auto message = decode_message(read_exactly(connection, length, deadline));
    if (!message || !answers(*message, query) || message->is_truncated)
        throw FormatError("the answer by TCP is not one to the question");
    return *std::move(message);
}

// RFC 6891 section 7: how servers older than EDNS0 refuse it.
bool refuses_edns(DnsCode code) {
    return code == DnsCode::format_error || code == DnsCode::not_implemented || code == DnsCode::bad_version;
}

}  // namespace

Result<DnsMessage> ask_dns_server(const Endpoint& server, const DnsQuestion& question, bool with_edns,
                                  Milliseconds timeout) {
    const Deadline deadline = Deadline::after(timeout);
    const auto failed = [&](const std::exception& e) {
        return Problem{fmt::format("{}: {}", server.to_string(), e.what())};
    };
    try {
        DnsMessage answer = ask_by_udp(server, question, with_edns, deadline);
        if (with_edns && refuses_edns(answer.code)) {
            with_edns = false;
            answer = ask_by_udp(server, question, with_edns, deadline);
        }
        if (answer.is_truncated) answer = ask_by_tcp(server, question, with_edns, deadline);
        return answer;
    } catch (const std::system_error& e) {
        return failed(e);
    } catch (const std::runtime_error& e) {  // Timeout, PeerGone, FormatError
        return failed(e);
    }
}

std::vector<std::optional<DnsMessage>> ask_together(const Endpoint& server,
                                                    const std::vector<DnsQuestion>& questions,
                                                    Deadline deadline) {
    std::vector<Query> queries;
    std::vector<Fd> sockets;  // given up when answered
    std::vector<pollfd> waiting;
    for (const DnsQuestion& question : questions) {
        queries.push_back(make_query(question, true));
        const std::string& octets = queries.back().octets;
        Fd socket = udp_socket_to(server);
        if (!socket) return std::vector<std::optional<DnsMessage>>(questions.size());
        sockets.push_back(std::move(socket));
        (void)!::send(sockets.back().get(), octets.data(), octets.size(), MSG_NOSIGNAL);  // lost: no answer
        waiting.push_back({sockets.back().get(), POLLIN, 0});
    }
    std::vector<std::optional<DnsMessage>> answered(questions.size());
    std::array<char, 4096> buffer;
    for (std::size_t left = questions.size(); left > 0 && !deadline.passed();) {
        if (::poll(waiting.data(), waiting.size(), deadline.poll_timeout()) < 0 && errno != EINTR)
            throw_errno("poll");
        for (std::size_t i = 0; i < waiting.size(); ++i) {
            if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
            const ssize_t n = ::recv(waiting[i].fd, buffer.data(), buffer.size(), 0);
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (n >= 0) {
                auto message = decode_message({buffer.data(), static_cast<std::size_t>(n)});
                if (!message || !answers(*message, queries[i])) continue;  // forged, or late
                if (!message->is_truncated) answered[i] = *std::move(message);
            }
            waiting[i].fd = -1;  // answered, or no server is there
            --left;
        }
    }
    return answered;
}

}  // namespace postoffice
