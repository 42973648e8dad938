#include "postoffice/daemon/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"

namespace postoffice {
namespace {

// Older headers do not have it.
#ifdef SO_PASSRIGHTS
constexpr int pass_rights = SO_PASSRIGHTS;
#else
constexpr int pass_rights = 83;
#endif

// The process that closes the last copy of a socket may have to wait for as long as its sender likes
// (SO_LINGER), and a descriptor that came with a datagram is closed by the process that reads that. Linux
// before 6.16 cannot refuse them.
void refuse_descriptors(int socket) {
    const int no = 0;
    (void)::setsockopt(socket, SOL_SOCKET, pass_rights, &no, sizeof no);
}

}  // namespace

Fd bind_control_socket(const std::string& path, uid_t uid, gid_t gid) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) throw_errno(ENAMETOOLONG, "control socket " + path);
    std::memcpy(name.sun_path, path.data(), path.size());
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) throw_errno("socket");
    refuse_descriptors(socket.get());
    const RightsOfOwner rights(parent_of(path));
    disk::unlink_if_exists(path);
    const mode_t before = ::umask(0117);
    const int bound = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name);
    const int error = errno;
    ::umask(before);
    if (bound != 0) throw_errno(error, "bind " + path);
    if (::geteuid() == 0 && ::lchown(path.c_str(), uid, gid) != 0) throw_errno("chown " + path);
    return socket;
}

}  // namespace postoffice
