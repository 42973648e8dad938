// Descriptors that came from a process which may be captured. What stands behind a descriptor decides how
// long the close of its last copy takes: a TCP socket with SO_LINGER waits for the peer, a file of a file
// system in user space for that program, and a Unix socket for what its peers have put into its queue. A
// process that serves many must not wait for any of these.
//
// The end of a process closes what it holds without lingering. So such a process leaves the last copy to a
// child, which does nothing but end.
#pragma once

#include <vector>

#include "postoffice/base/fd.h"

namespace postoffice {

class ForeignDescriptors {
  public:
    /// Keeps the descriptor until close_all().
    void add(Fd descriptor);
    void add(std::vector<Fd> descriptors);
    /// Closes all of them without waiting, in one child: call it once for many, and before every other fork,
    /// since a child that closes its copies could be the last. The child is the caller's, and is collected by
    /// reap_child(). Does not throw; where there can be no child now, the descriptors stay for the next call.
    void close_all() noexcept;

  private:
    std::vector<Fd> held_;
};

/// Makes a child the last to have such a descriptor: it waits until the parent has closed its copy. Made
/// before the fork.
class ParentClosesFirst {
  public:
    /// In the child, before it uses the descriptor. The end of this object in the parent is the signal.
    void wait();

  private:
    Pipe parent_is_here_ = make_pipe();
};

/// A packet socket of this host, as the requests between processes bring along.
bool is_packet_socket(int fd);

}  // namespace postoffice
