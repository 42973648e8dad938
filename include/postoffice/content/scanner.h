// The scanner, as a process that takes in mail reaches it: by the handle of its request socket. It runs the
// program of `av=` on a message, as an account without rights (daemon/scanner_process.h).
#pragma once

#include <cstdint>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/packet.h"

namespace postoffice {

/// To the scanner. Descriptor: a packet socket, over which a ScanMessage follows and the ScanAnswer comes.
struct ScanRequest {
    FixedString<32> id;  ///< of the message, for the log
};

/// Descriptor: the message, readable from its start. It goes to the child alone, which may wait for it.
struct ScanMessage {
    std::uint64_t size = 0;
};

/// What the program has said of a message.
struct ScanVerdict {
    enum class Kind : std::uint8_t {
        clean,
        unwanted,   ///< refused for good: a virus, spam
        undecided,  ///< the program failed, was ended, or cannot be started
    } kind = Kind::undecided;
    std::string text;  ///< of the program, one line, printable; or what went wrong with it
    Milliseconds took{};
    /// "clean", "unwanted" or "undecided", and the time, for people.
    std::string summary() const;
};

struct ScanAnswer {
    ScanVerdict::Kind kind = ScanVerdict::Kind::undecided;
    FixedString<512> text;
};

class ScannerHandle {
  public:
    /// Reaches no scanner: each verdict is `undecided`.
    ScannerHandle() = default;
    /// The descriptor stays the caller's.
    explicit ScannerHandle(const Fd& handle) : handle_(handle.get()) {}

    /// Waits for `patience`, the time that the program has, and half a minute for a free place. `message`: a
    /// descriptor with a position of its own. Logs the verdict and its time. Does not throw.
    ScanVerdict scan(const std::string& id, const Fd& message, std::uint64_t size, Seconds patience) const;
    /// -1 if there is none.
    int fd() const { return handle_; }

  private:
    ScanVerdict ask(const std::string& id, const Fd& message, std::uint64_t size, Deadline deadline) const;

    int handle_ = -1;
};

}  // namespace postoffice
