#include "command_helper.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "postoffice/base/process.h"

namespace postoffice {

CommandHelper::CommandHelper(const std::string& title, const Body& body)
    : requests_(make_request_socket()), pid_(spawn_process(title, [&, parent = ::getpid()] {
          const int reader = requests_.reader.release();
          close_descriptors_except({reader});
          return body(Fd(reader), parent);
      })) {}

CommandHelper::~CommandHelper() {
    (void)::kill(pid_, SIGTERM);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
}

}  // namespace postoffice
