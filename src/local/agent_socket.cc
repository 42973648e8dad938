#include "postoffice/local/agent_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "postoffice/base/disk.h"

namespace postoffice {
namespace {

std::size_t count_left_open = 0;

void leave_open(Fd descriptor) {
    (void)descriptor.release();
    ++count_left_open;
}

/// The queue of a socket is closed with it. A packet of no octets is seen by its descriptors.
bool has_unread(int socket) {
    msghdr message{};
    char octet = 0;
    iovec part{&octet, sizeof octet};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t n = ::recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 || (n == 0 && (message.msg_flags & MSG_CTRUNC) != 0);
}

/// What is there, if it makes sense.
PacketArrival arrival_from_agent(int socket, std::span<std::byte> into) {
    PacketArrival arrival = receive_packet_now(socket, into);
    auto& descriptors = arrival.packet.descriptors;
    const auto foreign = std::partition(descriptors.begin(), descriptors.end(),
                                        [](const Fd& one) { return disk::is_memory_file(one.get()); });
    const bool makes_sense = foreign == descriptors.end() && arrival.kind != PacketArrival::Kind::unusable;
    for (auto one = foreign; one != descriptors.end(); ++one) leave_open(std::move(*one));
    if (!makes_sense) throw UntrustedAgent("an answer that makes no sense");
    return arrival;
}

}  // namespace

AgentSocket& AgentSocket::operator=(AgentSocket&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
}

AgentSocket::~AgentSocket() {
    if (!socket_) return;
    (void)::shutdown(socket_.get(), SHUT_RDWR);  // nothing more comes
    if (has_unread(socket_.get())) leave_open(std::move(socket_));
}

std::size_t left_open_of_agents() {
    return count_left_open;
}

std::optional<Packet> receive_from_agent(int socket, std::span<std::byte> into, const Deadline& deadline) {
    for (;;) {
        pollfd waiting{socket, POLLIN, 0};
        const int n = ::poll(&waiting, 1, deadline.poll_timeout());
        if (n < 0 && errno != EINTR) throw_errno("poll");
        if (n == 0 && deadline.passed()) throw Timeout("no answer from a local agent");
        if (n <= 0) continue;
        PacketArrival arrival = arrival_from_agent(socket, into);
        if (arrival.kind == PacketArrival::Kind::end) return std::nullopt;
        if (arrival.kind == PacketArrival::Kind::packet) return std::move(arrival.packet);
    }
}

std::optional<Packet> receive_from_agent_now(int socket, std::span<std::byte> into) {
    PacketArrival arrival = arrival_from_agent(socket, into);
    if (arrival.kind != PacketArrival::Kind::packet) return std::nullopt;
    return std::move(arrival.packet);
}

}  // namespace postoffice
