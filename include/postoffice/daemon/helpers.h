// How the processes of one daemon reach each other. The master holds both ends of each as long as it lives,
// so that a helper may die and its successor finds the same ends and what waits in them.
#pragma once

#include "postoffice/base/fd.h"
#include "postoffice/delivery/arrivals.h"

namespace postoffice {

struct HelperSockets {
    SocketPair spawner = packet_socket_pair();  ///< ours: requests are written; theirs: the spawner reads
    Pipe arrivals = make_arrivals_pipe();       ///< ids of queued messages, from whoever queues to the runner
};

}  // namespace postoffice
