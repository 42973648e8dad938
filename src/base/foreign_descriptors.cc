#include "postoffice/base/foreign_descriptors.h"

#include <sys/socket.h>
#include <unistd.h>

#include <iterator>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"

namespace postoffice {

void ParentClosesFirst::wait() {
    parent_is_here_.write_end.reset();
    char nothing = 0;
    (void)!::read(parent_is_here_.read_end.get(), &nothing, 1);
}

void ForeignDescriptors::add(Fd descriptor) {
    held_.push_back(std::move(descriptor));
}

void ForeignDescriptors::add(std::vector<Fd> descriptors) {
    std::move(descriptors.begin(), descriptors.end(), std::back_inserter(held_));
}

void ForeignDescriptors::close_all() noexcept try {
    if (held_.empty()) return;
    ParentClosesFirst order;
    spawn_process("closing", [&] {
        order.wait();
        return 0;
    });
    held_.clear();
} catch (const std::exception& error) {
    log_event("", "descriptors-kept",
              {{"count", std::to_string(held_.size())}, {"reason", in_plain_words(error)}});
}

bool is_packet_socket(int fd) {
    int domain = 0, type = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
    size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && domain == AF_UNIX &&
           type == SOCK_SEQPACKET;
}

}  // namespace postoffice
