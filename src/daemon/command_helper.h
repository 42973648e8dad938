// A helper process of a command that works without the server: what the master starts for all processes of
// the server, such a command starts for itself.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "postoffice/base/fd.h"
#include "postoffice/base/request_socket.h"

namespace postoffice {

class CommandHelper {
  public:
    /// In the child, which ends with `parent` if it says so: serves the reader of its request socket, and
    /// returns the exit status. All other descriptors are closed.
    using Body = std::function<int(Fd requests, pid_t parent)>;
    /// `title`: of the process. Throws std::system_error.
    CommandHelper(const std::string& title, const Body& body);
    /// Ends the process, and waits for that.
    ~CommandHelper();
    CommandHelper(const CommandHelper&) = delete;
    CommandHelper& operator=(const CommandHelper&) = delete;

    /// Of the request socket.
    const Fd& handle() const { return requests_.handle; }

  private:
    RequestSocket requests_;
    pid_t pid_;
};

}  // namespace postoffice
