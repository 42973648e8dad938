#include "postoffice/base/packet.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

constexpr std::size_t control_space = CMSG_SPACE(sizeof(int) * max_packet_descriptors);
// What does not fit is closed by the kernel, in the process that receives it, and that may take as long as
// its sender likes. So there is room for the most that one packet can bring (SCM_MAX_FD).
constexpr std::size_t most_descriptors_sent = 253;
constexpr std::size_t space_for_all = CMSG_SPACE(sizeof(int) * most_descriptors_sent);

void wait_readable(int socket, const Deadline& deadline) {
    for (;;) {
        pollfd waiting{socket, POLLIN, 0};
        const int n = ::poll(&waiting, 1, deadline.poll_timeout());
        if (n > 0) return;
        if (n < 0 && errno != EINTR) throw_errno("poll");
        if (n == 0 && deadline.passed()) throw Timeout("no answer from a helper process");
    }
}

void collect(msghdr& message, Packet& packet) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            packet.descriptors.emplace_back(fd);
        }
    }
}

// One sendmsg(2); false with errno set.
bool send_once(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors, int flags) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[control_space] = {};
    if (!descriptors.empty()) {
        if (descriptors.size() > max_packet_descriptors) throw_errno(E2BIG, "send descriptors");
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(c), descriptors.data(), descriptors.size_bytes());
    }
    while (::sendmsg(socket, &message, flags | MSG_NOSIGNAL) < 0)
        if (errno != EINTR) return false;
    return true;
}

// One recvmsg(2); false with errno set. `flags`: in for the call, out as the kernel reports them.
bool receive_once(int socket, std::span<std::byte> into, int& flags, Packet& packet) {
    iovec part{into.data(), into.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[space_for_all];
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t n = 0;
    // ECONNRESET says, once, that the peer closed with packets of ours unread. What it sent before that is
    // still in the queue, and end of file comes after it.
    while ((n = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC)) < 0)
        if (errno != EINTR && errno != ECONNRESET) return false;
    packet.size = static_cast<std::size_t>(n);
    collect(message, packet);
    flags = message.msg_flags;
    if (packet.descriptors.size() > max_packet_descriptors) flags |= MSG_CTRUNC;
    return true;
}

// An empty packet and end of file both read as nothing; only at the end has the other side hung up.
bool at_end(int socket) {
    pollfd state{socket, POLLRDHUP, 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace

void send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors) {
    if (send_once(socket, bytes, descriptors, 0)) return;
    if (errno == EPIPE || errno == ECONNRESET) throw PeerGone("helper process is gone");
    throw_errno("send to a helper process");
}

std::optional<Packet> receive_packet(int socket, std::span<std::byte> into,
                                     std::optional<Deadline> deadline) {
    if (deadline) wait_readable(socket, *deadline);
    Packet packet;
    int flags = 0;
    if (!receive_once(socket, into, flags, packet)) throw_errno("receive from a helper process");
    if (packet.size == 0 && packet.descriptors.empty()) return std::nullopt;
    if ((flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) throw_errno(EMSGSIZE, "receive from a helper process");
    return packet;
}

Sent send_packet_now(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors) {
    if (send_once(socket, bytes, descriptors, MSG_DONTWAIT)) return Sent::yes;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Sent::full;
    if (errno == EPIPE || errno == ECONNRESET) return Sent::gone;
    throw_errno("send to another process");
}

PacketArrival receive_packet_now(int socket, std::span<std::byte> into) {
    PacketArrival arrival;
    int flags = MSG_DONTWAIT;
    if (!receive_once(socket, into, flags, arrival.packet)) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) return arrival;
        throw_errno("receive from another process");
    }
    arrival.kind = PacketArrival::Kind::packet;
    if ((flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) arrival.kind = PacketArrival::Kind::unusable;
    if (arrival.packet.size == 0)
        arrival.kind = at_end(socket) && arrival.packet.descriptors.empty() ? PacketArrival::Kind::end
                                                                            : PacketArrival::Kind::unusable;
    return arrival;
}

}  // namespace postoffice
