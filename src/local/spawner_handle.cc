#include "postoffice/local/spawner_handle.h"

#include "postoffice/base/error.h"
#include "postoffice/base/request_socket.h"

namespace postoffice {

Fd SpawnerHandle::open_channel(const AgentName& agent, const Deadline& deadline) const {
    SpawnRequest request;
    request.purpose = agent.purpose;
    if (!request.user.assign(agent.user)) throw FormatError("user name too long");
    return ask(request, deadline);
}

Fd SpawnerHandle::open_maildrop(const MailboxTicket& ticket, const Deadline& deadline) const {
    SpawnRequest request;
    request.purpose = SpawnRequest::Purpose::maildrop;
    request.ticket = ticket;
    return ask(request, deadline);
}

Fd SpawnerHandle::ask(const SpawnRequest& request, const Deadline& deadline) const {
    SocketPair pair = packet_socket_pair();
    const int theirs = pair.theirs.get();
    send_request(handle_, std::as_bytes(std::span(&request, 1)), std::span(&theirs, 1), deadline);
    return std::move(pair.ours);
}

}  // namespace postoffice
