#include "postoffice/delivery/arrivals.h"

#include <sys/socket.h>

namespace postoffice {

void announce_arrival(int socket, const std::string& id) {
    const std::string text = "new " + id;
    (void)::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace postoffice
