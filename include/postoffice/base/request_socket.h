// A request socket: how many unprivileged processes send requests to a privileged one. Each sender uses a
// socket of its own for it, so what it does to that socket (shut it down, change its flags) affects no other
// sender.
//
// What a sender holds, the handle, is no socket: it is an O_PATH descriptor of a name in the file system that
// is gone by then. A process can connect to it and nothing else, and only if the descriptor was given to it.
// Requests wait in the socket, also while its reader is started again.
#pragma once

#include <cstddef>
#include <span>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"

namespace postoffice {

struct RequestSocket {
    Fd reader;  ///< for receive_packet_now(); never at its end: the owner closes it
    Fd handle;  ///< for send_request()
};

/// Needs a folder for temporary files, for a moment. Throws std::system_error.
RequestSocket make_request_socket();

/// Sends one packet, with descriptors. The socket holds few: while it is full this waits for its reader.
/// Throws Timeout, PeerGone (there is no reader, and there will not be one), std::system_error.
void send_request(int handle, std::span<const std::byte> bytes, std::span<const int> descriptors,
                  const Deadline& deadline);

}  // namespace postoffice
