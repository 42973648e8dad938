#include "postoffice/base/packet.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

constexpr std::size_t control_space = CMSG_SPACE(sizeof(int) * max_packet_descriptors);

void wait_readable(int socket, const Deadline& deadline) {
    for (;;) {
        pollfd waiting{socket, POLLIN, 0};
        const int n = ::poll(&waiting, 1, deadline.poll_timeout());
        if (n > 0) return;
        if (n < 0 && errno != EINTR) throw_errno("poll");
        if (n == 0 && deadline.passed()) throw Timeout("no answer from a helper process");
    }
}

void collect_descriptors(msghdr& message, std::vector<Fd>& into) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            into.emplace_back(fd);
        }
    }
}

}  // namespace

void send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors) {
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
    while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
        if (errno == EINTR) continue;
        if (errno == EPIPE || errno == ECONNRESET) throw PeerGone("helper process is gone");
        throw_errno("send to a helper process");
    }
}

std::optional<Packet> receive_packet(int socket, std::span<std::byte> into,
                                     std::optional<Deadline> deadline) {
    if (deadline) wait_readable(socket, *deadline);
    iovec part{into.data(), into.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[control_space];
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t n = 0;
    while ((n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0) {
        if (errno == EINTR) continue;
        if (errno == ECONNRESET) return std::nullopt;
        throw_errno("receive from a helper process");
    }
    Packet packet;
    packet.size = static_cast<std::size_t>(n);
    collect_descriptors(message, packet.descriptors);
    if (packet.size == 0 && packet.descriptors.empty()) return std::nullopt;
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        throw_errno(EMSGSIZE, "receive from a helper process");
    return packet;
}

}  // namespace postoffice
