#include "ports.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/output.h"
#include "postoffice/daemon/bind_listener.h"

namespace postoffice {
namespace {

constexpr std::chrono::seconds patience_with_ports{10};
constexpr std::chrono::milliseconds port_pause{500};

void report_busy_port(const std::string& reason) {
    const std::string next = "tried again for " + duration_text(patience_with_ports);
    log_event("", "port-busy", {{"reason", reason}, {"next", next}});
    print_error("postoffice: {}; {}\n", reason, next);
}

/// Of pop3d where the configuration names none.
std::vector<ListenAddress> usual_pop3_ports(const Config& config) {
    ListenAddress port;
    port.pop3 = true;
    port.port = 110;
    std::vector<ListenAddress> ports = {port};
    port.port = 995;
    port.tls = true;
    if (!config.tls.certificate.empty()) ports.push_back(port);
    return ports;
}

}  // namespace

std::vector<ListenAddress> PortBinder::wanted(const Config& config) const {
    std::vector<ListenAddress> ports;
    if (settings_.serve_smtp) ports = config.network.listen;
    if (settings_.serve_smtp || settings_.serve_pop3)
        ports.insert(ports.end(), config.network.pop3.begin(), config.network.pop3.end());
    if (ports.empty() && settings_.serve_pop3) ports = usual_pop3_ports(config);
    if (settings_.loopback_only)
        for (ListenAddress& listen : ports) listen.address = IpAddress::parse("127.0.0.1");
    return ports;
}

std::vector<Port> PortBinder::bind(const Config& config, const std::vector<Port>& known) const {
    std::vector<const Fd*> sockets;
    for (const Port& port : known)
        for (const Fd& socket : port.sockets) sockets.push_back(&socket);
    const std::vector<ListenAddress> addresses = wanted(config);
    const EarlierSockets earlier(sockets, addresses);
    std::vector<Port> ports;
    for (const ListenAddress& listen : addresses)
        ports.push_back({listen, sockets_for(listen, settings_.given, earlier)});
    return ports;
}

std::vector<Port> PortBinder::bind_at_start(const Config& config) const {
    const auto give_up_at = std::chrono::steady_clock::now() + patience_with_ports;
    for (bool was_reported = false;; was_reported = true) try {
            return bind(config, {});
        } catch (const std::system_error& error) {
            const bool is_late = std::chrono::steady_clock::now() >= give_up_at;
            if (error.code() != std::errc::address_in_use || is_late) throw;
            if (!was_reported) report_busy_port(error.what());
            std::this_thread::sleep_for(port_pause);
        }
}

void PortBinder::warn_of_unused(const Config& config) const {
    const auto ports = wanted(config);
    for (const GivenSocket& given : settings_.given)
        if (std::none_of(ports.begin(), ports.end(), [&](const auto& l) { return serves(given, l); }))
            log_event("", "socket-not-used",
                      {{"socket", given.name},
                       {"listen", given.at.to_string()},
                       {"reason", "no listen= is about it"}});
}

}  // namespace postoffice
