// Child processes and signals. postoffice never execs itself: children are forks that go on in a function
// and end with _exit, so that no destructor of the parent's objects runs twice.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "postoffice/base/fd.h"

namespace postoffice {

/// Forks. The child runs `body` with default signal handling, but SIGHUP, SIGUSR1 and SIGUSR2 ignored, logs
/// an exception that leaves it, and exits with its value (70 after an exception). Returns the child's pid.
/// Throws std::system_error.
pid_t spawn_process(const std::string& title, const std::function<int()>& body);

/// Gives memory that was freed back to the kernel: for a process that now waits for long, one of many.
void release_free_memory();

/// How a child ended.
struct ProcessEnd {
    pid_t pid = 0;
    int status = 0;  ///< as wait(2) gives it
    bool exited_with(int code) const;
    /// By SIGTERM or SIGINT, as a service manager or a terminal sends to all processes of a group.
    bool was_told_to_end() const;
    std::string text() const;  ///< "exit 75", "signal 9"
};

/// Collects one ended child without waiting; pid 0 if there is none.
ProcessEnd reap_child();

/// Logs the end of a child that did not leave with exit status 0: "crash", or "process-ended" if it was told
/// to.
void log_if_crashed(const std::string& process, const ProcessEnd& end);

/// The title in ps(1): "postoffice: TEXT". Needs remember_arguments() once at start.
void set_process_title(const std::string& text);
/// That of another process, "postoffice: " and the text; empty if it has ended or cannot be looked at.
std::string process_title(pid_t pid);
void remember_arguments(int argc, char** argv);

/// Signals as a readable descriptor, for poll loops. While it lives the signals given are blocked; children
/// made by spawn_process() start with none blocked.
class SignalSource {
  public:
    /// Throws std::system_error.
    explicit SignalSource(std::initializer_list<int> signals);
    int fd() const { return fd_.get(); }
    /// The next pending signal; 0 if none.
    int next();

  private:
    Fd fd_;
};

/// SIGPIPE is ignored everywhere: a write to a peer that left must fail with EPIPE, not kill.
void ignore_sigpipe();

/// SIGTERM is sent to the caller when its parent ends. For helpers that make no sense alone; after a change
/// of user, which makes the kernel forget.
void end_with_parent(pid_t parent);

}  // namespace postoffice
