#include "postoffice/base/request_socket.h"

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

/// A folder of this process alone, so that no other process can put something else in the place of the name.
/// The destructor removes both.
class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        if (::mkdtemp(folder_.data()) == nullptr) throw_errno("mkdtemp " + folder_);
    }
    ~TemporaryDirectory() {
        (void)::unlink(path().c_str());
        (void)::rmdir(folder_.c_str());
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    std::string path() const { return folder_ + "/requests"; }

  private:
    std::string folder_ = "/tmp/postoffice-XXXXXX";
};

Fd datagram_socket() {
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno("socket");
    return socket;
}

}  // namespace

RequestSocket make_request_socket() {
    RequestSocket requests;
    requests.reader = datagram_socket();
    const TemporaryDirectory directory;
    const sockaddr_un name = name_of(directory.path());
    if (::bind(requests.reader.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
        throw_errno("bind " + directory.path());
    // A process that has the handle may send, whichever account it has become.
    if (::chmod(directory.path().c_str(), 0666) != 0) throw_errno("chmod " + directory.path());
    requests.handle = Fd(::open(directory.path().c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
    if (!requests.handle) throw_errno("open " + directory.path());
    return requests;
}

void send_request(int handle, std::span<const std::byte> bytes, std::span<const int> descriptors,
                  const Deadline& deadline) {
    const Fd socket = datagram_socket();
    const sockaddr_un name = name_of(fmt::format("/proc/self/fd/{}", handle));
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
