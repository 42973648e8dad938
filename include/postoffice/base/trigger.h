// A trigger is one datagram of text to the control socket of the running daemon, saying that there is work.
// What it speaks of stands on disk, so a trigger that is lost costs time and nothing else.
#pragma once

#include <string>
#include <string_view>

namespace postoffice {

/// Sends without waiting: "drop ID", "run", "run now". False if no process listens at the socket, or its
/// owner is too busy to take more. Does not throw.
bool trigger(const std::string& socket_path, std::string_view text);

/// Whether a daemon listens there, and this process may speak to it. Says nothing to it. Does not throw.
bool is_served(const std::string& socket_path);

}  // namespace postoffice
