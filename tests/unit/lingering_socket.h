// A captured process that sends a descriptor whose close waits: a TCP socket with octets that its peer never
// takes, and SO_LINGER for an hour. The last process to close it waits, unless that process is ending.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "local_delivery.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/packet.h"

namespace postoffice::testing_local {

struct LingeringSocket {
    Fd socket, peer;

    LingeringSocket() {
        const Fd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name;
        auto* address = reinterpret_cast<sockaddr*>(&name);
        if (::bind(listening.get(), address, size) != 0 || ::listen(listening.get(), 1) != 0 ||
            ::getsockname(listening.get(), address, &size) != 0)
            throw_errno("listen");
        socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::connect(socket.get(), address, size) != 0) throw_errno("connect");
        peer = Fd(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
        const std::string octets(65536, 'x');
        while (::send(socket.get(), octets.data(), octets.size(), MSG_DONTWAIT) > 0) continue;
        const linger an_hour{1, 3600};
        if (::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &an_hour, sizeof an_hour) != 0)
            throw_errno("SO_LINGER");
    }
};

/// Sends a packet with any number of copies of a descriptor, as a captured process can.
inline void send_copies(int socket, std::span<const std::byte> bytes, int descriptor, std::size_t copies) {
    const std::vector<int> all(copies, descriptor);
    std::vector<char> control(CMSG_SPACE(copies * sizeof(int)));
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(copies * sizeof(int));
    std::memcpy(CMSG_DATA(header), all.data(), copies * sizeof(int));
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) throw_errno("sendmsg");
}

/// An end of a packet socketpair in whose queue a lingering socket waits: who closes it closes that one, too.
inline Fd channel_with_lingering_queue(const LingeringSocket& lingering) {
    SocketPair pair = packet_socket_pair();
    const int descriptor = lingering.socket.get();
    send_packet(pair.ours.get(), std::as_bytes(std::span("x", 1)), std::span(&descriptor, 1));
    return std::move(pair.theirs);
}

/// Runs `attack` in a process of its own, while `victim` is stopped, and lets `victim` go on when the
/// attacker has closed its own copies. The attacker stays, so that the peer does not take anything, until it
/// is destroyed.
class Attacker {
  public:
    Attacker(const Child& victim, const std::function<void(LingeringSocket&)>& attack)
        : attacker_([&] {
              LingeringSocket lingering;
              (void)receive_struct<int>(done_.theirs.get());  // the victim is stopped
              attack(lingering);
              lingering.socket.reset();
              send_struct(done_.theirs.get(), int{1});
              ::pause();
              return 0;
          }) {
        victim.signal(SIGSTOP);
        send_struct(done_.ours.get(), int{1});
        (void)receive_struct<int>(done_.ours.get(), Deadline::after(Seconds(60)));
        victim.signal(SIGCONT);
    }

  private:
    SocketPair done_ = packet_socket_pair();
    Child attacker_;
};

}  // namespace postoffice::testing_local
