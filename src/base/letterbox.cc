#include "postoffice/base/letterbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "postoffice/base/error.h"
#include "postoffice/base/packet.h"

namespace postoffice {
namespace {

sockaddr_un name_of(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) throw_errno(ENAMETOOLONG, path);
    std::memcpy(name.sun_path, path.data(), path.size());
    return name;
}

/// A folder of our own, so that nobody can put something else in the place of the name. Gone with what is in
/// it at the end of the scope.
class Hall {
  public:
    Hall() {
        if (::mkdtemp(folder_.data()) == nullptr) throw_errno("mkdtemp " + folder_);
    }
    ~Hall() {
        (void)::unlink(door().c_str());
        (void)::rmdir(folder_.c_str());
    }
    Hall(const Hall&) = delete;
    Hall& operator=(const Hall&) = delete;
    std::string door() const { return folder_ + "/box"; }

  private:
    std::string folder_ = "/tmp/postoffice-XXXXXX";
};

Fd datagram_socket() {
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno("socket");
    return socket;
}

}  // namespace

Letterbox make_letterbox() {
    Letterbox box;
    box.reader = datagram_socket();
    const Hall hall;
    const sockaddr_un name = name_of(hall.door());
    if (::bind(box.reader.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
        throw_errno("bind " + hall.door());
    // Whoever has the slot may post, whatever account he has become.
    if (::chmod(hall.door().c_str(), 0666) != 0) throw_errno("chmod " + hall.door());
    box.slot = Fd(::open(hall.door().c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
    if (!box.slot) throw_errno("open " + hall.door());
    return box;
}

void post(int slot, std::span<const std::byte> bytes, std::span<const int> descriptors,
          const Deadline& deadline) {
    const Fd socket = datagram_socket();
    const sockaddr_un name = name_of(fmt::format("/proc/self/fd/{}", slot));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
        if (errno == ECONNREFUSED) throw PeerGone("helper process is gone");
        throw_errno("connect to a helper process");
    }
    for (;;) {
        const Sent sent = send_packet_now(socket.get(), bytes, descriptors);
        if (sent == Sent::yes) return;
        if (sent == Sent::gone) throw PeerGone("helper process is gone");
        pollfd waiting{socket.get(), POLLOUT, 0};
        const int n = ::poll(&waiting, 1, deadline.poll_timeout());
        if (n < 0 && errno != EINTR) throw_errno("poll");
        if (n == 0 && deadline.passed()) throw Timeout("a helper process is busy");
    }
}

}  // namespace postoffice
