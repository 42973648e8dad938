// The file "pid" in the spool: its lock says that a daemon works on this spool, however that was started.
#pragma once

#include <string>

#include "postoffice/base/fd.h"

namespace postoffice {

class PidFile {
  public:
    /// Locks it for as long as this object, or a copy in a child, is there. Throws SpoolInUse if another
    /// daemon has the lock, std::system_error.
    explicit PidFile(const std::string& queue_dir);
    void write_own_pid() const;

  private:
    Fd file_;
};

}  // namespace postoffice
