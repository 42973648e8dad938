// The sockets by which the processes of one daemon reach each other. The master holds both ends of each as long as
// it lives, so that a helper may die and its successor finds the same sockets and what waits in them.
#pragma once

#include "postoffice/base/fd.h"

namespace postoffice {

struct HelperSockets {
    SocketPair spawner = packet_socket_pair();   ///< ours: requests are written; theirs: the spawner reads
    SocketPair arrivals = packet_socket_pair();  ///< ours: queued ids are written; theirs: the runner reads
};

}  // namespace postoffice
