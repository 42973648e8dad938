// The key keeper: the one process that holds the private key of the host's certificate. It signs for session
// processes, each by a pair of pipes that the listener makes for it, one question at a time in turn, and
// waits for none of them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "postoffice/base/fd.h"

namespace postoffice {

/// From the listener: the reading end of a session's questions and the writing end of the answers come along.
struct KeyChannelOffer {
    static constexpr std::uint32_t own_tag = 0x6b63686e;
    std::uint32_t tag = own_tag;
};

/// A session's ends of its pipes, for set_key_channel().
struct KeyChannelEnds {
    Fd questions;
    Fd answers;
};
/// The key keeper, as the listener reaches it.
class KeyKeeperHandle {
  public:
    /// There is no key keeper.
    KeyKeeperHandle() = default;
    /// The packet socket of the listener; it stays the caller's.
    explicit KeyKeeperHandle(const Fd& offers) : offers_(offers.get()) {}
    /// Makes the pipes of a new session process, and offers the other ends to the key keeper without waiting;
    /// empty if there is none. Throws std::system_error.
    KeyChannelEnds open_channel() const;
    /// -1 if there is none.
    int fd() const { return offers_; }

  private:
    int offers_ = -1;
};

/// A copy of the file in memory that has no name. The key does not pass through the memory of this process.
/// Throws std::system_error.
Fd copy_of_key_file(const std::string& path);

/// Throws FormatError "FILE: what is wrong" if these two cannot serve TLS together. A child looks at them, so
/// that this process never holds the key.
void check_key_pair(const std::string& certificate_file, const std::string& key_file);

/// Signs with the key in `key_file` until SIGTERM. `offers`: packet socket on which KeyChannelOffers come.
/// `confine`: gives up root, once the key is read. Returns the exit status.
int run_key_keeper(Fd key_file, Fd offers, const std::function<void()>& confine);

}  // namespace postoffice
