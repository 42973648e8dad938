#include "postoffice/delivery/queue_notifications.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/queue/spool.h"

namespace postoffice {
namespace {

constexpr int capacity = 1 << 20;  // some seventy thousand ids; the kernel may give less to an ordinary user
constexpr std::size_t plenty = 48 * 1024;  // most of the smallest capacity
constexpr char now_mark = '+';             // in front of an id that is wanted now

}  // namespace

Pipe make_queue_notification_pipe() {
    Pipe pipe = make_pipe();
    for (const int fd : {pipe.read_end.get(), pipe.write_end.get()})
        if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) throw_errno("fcntl");
    (void)::fcntl(pipe.write_end.get(), F_SETPIPE_SZ, capacity);
    return pipe;
}

bool QueueNotificationWriter::queued(const std::string& id) const {
    return write_line(id + "\n");
}

bool QueueNotificationWriter::wanted_now(const std::string& id) const {
    return write_line(now_mark + id + "\n");
}

// Shorter than PIPE_BUF, so the lines of several writers never mix.
bool QueueNotificationWriter::write_line(const std::string& line) const {
    return ::write(pipe_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

bool QueueNotificationReader::read(
    const std::function<void(const std::string& id, bool schedule_now)>& each) {
    char block[4096];
    std::size_t total = 0;
    while (total < static_cast<std::size_t>(capacity)) {  // deliveries must go on while more comes in
        const ssize_t n = ::read(pipe_, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        total += static_cast<std::size_t>(n);
        rest_.append(block, static_cast<std::size_t>(n));
        std::string_view lines = rest_;
        while (lines.find('\n') != std::string_view::npos) {
            // What a writer that was killed began, or a captured one made up, is no id.
            std::string_view id = read_until(lines, '\n');
            const bool schedule_now = id.starts_with(now_mark);
            if (schedule_now) id.remove_prefix(1);
            if (is_queue_id(id)) each(std::string(id), schedule_now);
        }
        rest_ = lines.size() > 64 ? "" : std::string(lines);
    }
    return total < plenty;
}

bool QueueNotificationReader::has_more() const {
    pollfd entry{pipe_, POLLIN, 0};
    return ::poll(&entry, 1, 0) > 0 && (entry.revents & POLLIN) != 0;
}

}  // namespace postoffice
