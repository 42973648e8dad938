// The commands that come by the control socket. Any local user may write to it, so a command can make the
// runner look at the spool, and nothing else; however many come, it looks once a second for them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/foreign_descriptors.h"

namespace postoffice {

/// The control socket, as the runner reads it.
class ControlSocket {
  public:
    /// There is none: no command comes.
    ControlSocket() = default;
    /// The descriptor stays the caller's.
    explicit ControlSocket(const Fd& socket) : socket_(socket.get()) {}
    int fd() const { return socket_; }

  private:
    int socket_ = -1;
};

class ControlCommands {
  public:
    /// A later value includes all that the ones before it ask for.
    enum class Wanted {
        nothing,
        look,  ///< the times of some messages were changed
        run,
        run_now,  ///< also of messages that are not due
    };
    using OnDrop = std::function<void(const std::string& id, bool is_awaited)>;

    explicit ControlCommands(ControlSocket socket) : socket_(socket) {}
    int fd() const { return socket_.fd(); }
    /// Reads what has arrived. `on_drop`: a file of this id was left in drop/.
    void read(const OnDrop& on_drop);
    bool has_wanted() const { return wanted_ != Wanted::nothing; }
    /// What the commands since the last call ask for; nothing, if that was within this second.
    Wanted take_wanted();

  private:
    void handle(std::string_view text, const OnDrop& on_drop);

    const ControlSocket socket_;
    ForeignDescriptors foreign_;  ///< came with commands, which bring none
    Wanted wanted_ = Wanted::nothing;
    UnixTime last_taken_ = 0;
};

}  // namespace postoffice
