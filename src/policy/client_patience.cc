#include "postoffice/policy/client_patience.h"

#include <algorithm>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"

namespace postoffice {
namespace {

constexpr Milliseconds longest_line_time{60'000};
constexpr Milliseconds longest_handshake{30'000};
constexpr Milliseconds look_around{1000};  // after which a crowd is noticed

}  // namespace

Deadline ClientPatience::line_deadline() const {
    return Deadline::earlier(deadline(), Deadline::after(shortened(longest_line_time)));
}

void ClientPatience::wait_for_input(Connection& connection, std::optional<Milliseconds> most) const {
    const Stopwatch watch;
    for (;;) {
        const Milliseconds all = most ? std::min(*most, now()) : now();
        const Milliseconds left = all - watch.time();
        if (connection.wait_for_input(Deadline::after(load_level_ ? std::min(left, look_around) : left)))
            return;
        if (watch.time() >= all) throw Timeout("no input from the peer");
    }
}

void ClientPatience::shake_hands(Connection& connection, const TlsServer* tls,
                                 const std::string& client) const {
    if (tls == nullptr) throw FormatError("a TLS listener without a certificate");
    const Milliseconds most = shortened(longest_handshake);
    const Stopwatch watch;
    connection.start_tls(*tls, Deadline::after(most),
                         [&] { wait_for_input(connection, most - watch.time()); });
    log_event("", "tls-started", {{"client", client}, {"tls", connection.tls()->description()}});
}

}  // namespace postoffice
