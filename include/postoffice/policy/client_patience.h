// How long a client may keep its session process waiting: less while most places are taken, and a line that
// has begun, or a TLS handshake, must end soon.
#pragma once

#include <optional>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/net/connection.h"
#include "postoffice/policy/load_level.h"

namespace postoffice {

class ClientPatience {
  public:
    /// `whole`: with a silent client. `load_level`: outlives this; null pointer: there is always room.
    ClientPatience(Milliseconds whole, const LoadLevel* load_level)
        : whole_(whole), load_level_(load_level) {}

    Milliseconds now() const { return shortened(whole_); }
    Deadline deadline() const { return Deadline::after(now()); }
    /// A line that has begun must end by then.
    Deadline line_deadline() const;
    /// Returns when there is input, or the client has closed. Throws Timeout when patience ends, even if that
    /// became less meanwhile, or when `most` has passed.
    void wait_for_input(Connection& connection, std::optional<Milliseconds> most = std::nullopt) const;
    /// The TLS handshake of a client that has begun one, and its entry in the log. `tls`: null if there is no
    /// certificate. Throws FormatError then, else as Connection::start_tls().
    void shake_hands(Connection& connection, const TlsServer* tls, const std::string& client) const;

  private:
    Milliseconds shortened(Milliseconds time) const {
        return load_level_ ? load_level_->shortened(time) : time;
    }

    Milliseconds whole_;
    const LoadLevel* load_level_;
};

}  // namespace postoffice
