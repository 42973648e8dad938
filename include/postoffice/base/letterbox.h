// How many unprivileged processes leave requests with a privileged one. Datagrams go in through the slot and
// come out at the reader's end. Whoever posts uses a socket of his own for it, so nothing that he does to
// what he holds (shut it down, change its flags) is felt by anybody else.
//
// The slot is no socket: it is an O_PATH descriptor of a name in the file system that is gone by then, which
// can be connected to and nothing else, and only by who was given it. What was posted waits in the box, also
// while its reader is started again.
#pragma once

#include <cstddef>
#include <span>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"

namespace postoffice {

struct Letterbox {
    Fd reader;  ///< for receive_packet_now(); never at its end: it is closed when its owner has had enough
    Fd slot;    ///< for post()
};

/// Needs a folder for temporary files, for a moment. Throws std::system_error.
Letterbox make_letterbox();

/// Posts one packet, with descriptors. The box holds few: while it is full this waits for its reader.
/// Throws Timeout, PeerGone (there is no reader, and there will not be one), std::system_error.
void post(int slot, std::span<const std::byte> bytes, std::span<const int> descriptors,
          const Deadline& deadline);

}  // namespace postoffice
