// Sockets that listen at the addresses of `listen=`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/fd.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// A bound and listening socket, and what was asked of it.
struct ListeningSocket {
    Fd socket;
    ListenAddress listen;
};

/// The listening sockets of a server that takes up another configuration. Those that it still needs are
/// copied. Beside the others, which it is about to close, new ones can be bound at the same port while this
/// exists, so `listen=:25` can become `listen=127.0.0.1:25`.
class EarlierSockets {
  public:
    EarlierSockets() = default;
    /// The sockets stay the caller's.
    EarlierSockets(const std::vector<const Fd*>& sockets, const std::vector<ListenAddress>& wanted);
    ~EarlierSockets();
    EarlierSockets(const EarlierSockets&) = delete;
    EarlierSockets& operator=(const EarlierSockets&) = delete;

    /// Empty if none of those that are needed is bound there.
    Fd copy_at(const Endpoint& endpoint) const;
    bool some_are_leaving() const { return !leaving_.empty(); }

  private:
    std::vector<const Fd*> needed_, leaving_;
};

/// Binds and listens: one socket, or one of each family. Throws std::system_error, naming the address.
std::vector<Fd> bind_listener(const ListenAddress& listen, const EarlierSockets& earlier = {});

/// Why bind_listener() would fail now; nullopt if it would not. Listens nowhere.
struct BindProblem {
    std::string endpoint;
    int error;  ///< errno
};
std::optional<BindProblem> bind_problem(const ListenAddress& listen);

}  // namespace postoffice
