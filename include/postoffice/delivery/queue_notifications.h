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

/// The end that sessions, workers and agents write to.
class QueueNotificationWriter {
  public:
    /// Writes to no pipe.
    QueueNotificationWriter() = default;
    /// The descriptor stays the caller's.
    explicit QueueNotificationWriter(const Fd& pipe) : pipe_(pipe.get()) {}
    /// Writes one id. Never waits, never throws. False if the pipe is full, or has no reader.
    bool queued(const std::string& id) const;
    /// The same for a message that waits in the queue, and is to be tried now.
    bool wanted_now(const std::string& id) const;
    /// -1 if there is none.
    int fd() const { return pipe_; }

  private:
    bool write_line(const std::string& line) const;

    int pipe_ = -1;
};

/// The end that the runner reads.
class QueueNotificationReader {
  public:
    QueueNotificationReader() = default;
    /// The descriptor stays the caller's.
    explicit QueueNotificationReader(const Fd& pipe) : pipe_(pipe.get()) {}
    /// Calls `each` with every id that has arrived. False if so much had piled up that some may be lost.
    bool read(const std::function<void(const std::string& id, bool schedule_now)>& each);
    bool has_more() const;
    int fd() const { return pipe_; }

  private:
    int pipe_ = -1;
    std::string rest_;  // of a line cut by the end of a read
};

}  // namespace postoffice
