#include "postoffice/daemon/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"

namespace postoffice {

Fd bind_control_socket(const std::string& path, uid_t uid, gid_t gid) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) throw_errno(ENAMETOOLONG, "control socket " + path);
    std::memcpy(name.sun_path, path.data(), path.size());
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) throw_errno("socket");
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
