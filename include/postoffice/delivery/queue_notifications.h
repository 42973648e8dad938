// How the runner hears of queued messages inside the process tree: their ids, a line each, on one pipe that
// all sessions write to. A line that does not fit is lost, which costs time and not mail: the reader is told,
// and looks at the spool itself.
#pragma once

#include <functional>
#include <string>

#include "postoffice/base/fd.h"

namespace postoffice {

/// Neither end ever blocks. Throws std::system_error.
Pipe make_queue_notification_pipe();

/// Writes one id. Never waits, never throws.
void notify_queued(int pipe, const std::string& id);
/// The same for a message that waits in the queue, and is to be tried now.
void notify_wanted_now(int pipe, const std::string& id);

class QueueNotificationReader {
  public:
    /// The descriptor stays the caller's.
    explicit QueueNotificationReader(int pipe) : pipe_(pipe) {}
    /// Calls `each` with every id that has arrived. False if so much had piled up that some may be lost.
    bool read(const std::function<void(const std::string& id, bool schedule_now)>& each);
    bool has_more() const;
    int fd() const { return pipe_; }

  private:
    int pipe_;
    std::string rest_;  // of a line cut by the end of a read
};

}  // namespace postoffice
