// How the runner hears of queued messages inside the process tree: their ids, a line each, on one pipe that
// all sessions write to. A line that does not fit is lost, which costs time and not mail: the reader is told,
// and looks at the spool itself.
#pragma once

#include <functional>
#include <string>

#include "postoffice/base/fd.h"

namespace postoffice {

/// Neither end ever blocks. Throws std::system_error.
Pipe make_arrivals_pipe();

/// Writes one id. Never waits, never throws.
void announce_arrival(int pipe, const std::string& id);
/// The same for a message that waits in the queue, and is to be tried now.
void announce_hurry(int pipe, const std::string& id);

class ArrivalReader {
  public:
    /// The descriptor stays the caller's.
    explicit ArrivalReader(int pipe) : pipe_(pipe) {}
    /// Calls `each` with every id that has arrived. False if so much had piled up that some may be lost.
    bool read(const std::function<void(const std::string& id, bool hurry)>& each);
    bool has_more() const;
    int fd() const { return pipe_; }

  private:
    int pipe_;
    std::string rest_;  // of a line cut by the end of a read
};

}  // namespace postoffice
