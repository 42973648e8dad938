#include "postoffice/daemon/service_manager.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr int first_given = 3;
constexpr std::uint64_t most_given = 256;

std::string from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

/// Unset, or for another process, is nullopt.
std::optional<std::uint64_t> number_for_us(const char* name, const char* pid_name) {
    const std::string pid = from_environment(pid_name);
    if (!pid.empty() && pid != std::to_string(::getpid())) return std::nullopt;
    return parse_number(from_environment(name));
}

int option_of(int socket, int level, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(socket, level, option, &value, &size) == 0 ? value : 0;
}

bool is_listening_tcp(int socket) {
    return option_of(socket, SOL_SOCKET, SO_ACCEPTCONN) == 1 &&
           option_of(socket, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
}

bool is_for_both_families(const GivenSocket& given) {
    return given.at.address.is_v6() && option_of(given.socket.get(), IPPROTO_IPV6, IPV6_V6ONLY) == 0;
}

}  // namespace

int given_descriptor_count() {
    if (from_environment("LISTEN_PID").empty()) return 0;
    return static_cast<int>(std::min(number_for_us("LISTEN_FDS", "LISTEN_PID").value_or(0), most_given));
}

std::vector<GivenSocket> receive_given_sockets() {
    std::vector<GivenSocket> sockets;
    const int count = given_descriptor_count();
    const std::string names = from_environment("LISTEN_FDNAMES");
    std::string_view rest = names;
    for (int fd = first_given; fd < first_given + count; ++fd) {
        const std::string name = printable(read_until(rest, ':'));
        Fd socket(fd);
        const auto at = is_listening_tcp(fd) ? Endpoint::local_of(fd) : std::nullopt;
        const int flags = ::fcntl(fd, F_GETFL);
        if (!at || flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
            ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
            log_event("", "socket-not-used", {{"socket", name}, {"reason", "it does not listen for TCP"}});
            continue;
        }
        sockets.push_back({std::move(socket), *at, name});
    }
    for (const char* variable : {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}) ::unsetenv(variable);
    return sockets;
}

bool serves(const GivenSocket& given, const ListenAddress& listen) {
    if (given.at.port != listen.port) return false;
    if (!listen.address) return given.at.address.is_unspecified();
    return given.at.address == *listen.address;
}

std::vector<Fd> sockets_for(const ListenAddress& listen, const std::vector<GivenSocket>& given,
                            const EarlierSockets& earlier) {
    std::vector<Fd> sockets;
    bool has_v4 = false, has_v6 = false;
    for (const GivenSocket& one : given) {
        if (!serves(one, listen)) continue;
        sockets.push_back(one.socket.duplicate());
        has_v6 = has_v6 || one.at.address.is_v6();
        has_v4 = has_v4 || !one.at.address.is_v6() || is_for_both_families(one);
    }
    if (sockets.empty()) return bind_listener(listen, earlier);
    if (listen.address || (has_v4 && has_v6)) return sockets;
    ListenAddress other = listen;
    other.address = IpAddress::parse(has_v4 ? "::" : "0.0.0.0");
    for (Fd& socket : bind_listener(other, earlier)) sockets.push_back(std::move(socket));
    return sockets;
}

ServiceManager::ServiceManager() : socket_(from_environment("NOTIFY_SOCKET")) {
    if (const auto patience = number_for_us("WATCHDOG_USEC", "WATCHDOG_PID"); patience && *patience > 0) {
        const std::uint64_t half = std::min<std::uint64_t>(*patience / 2000, 3'600'000);
        watchdog_interval_ = std::chrono::milliseconds(std::max<std::uint64_t>(half, 1));
    }
    for (const char* variable : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(variable);
}

void ServiceManager::ready(const std::string& status) {
    notify(fmt::format("READY=1\nMAINPID={}\nSTATUS={}\n", ::getpid(), printable(status)));
}

void ServiceManager::reloading() {
    timespec now{};
    (void)::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto microseconds = std::uint64_t(now.tv_sec) * 1'000'000 + std::uint64_t(now.tv_nsec) / 1000;
    notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reading the configuration\n", microseconds));
}

void ServiceManager::stopping() {
    notify("STOPPING=1\nSTATUS=Waiting for clients and deliveries to come to an end\n");
}

void ServiceManager::be_alive() {
    const auto now = std::chrono::steady_clock::now();
    if (!watchdog_interval_ || now - last_sign_of_life_ < *watchdog_interval_ / 2) return;
    last_sign_of_life_ = now;
    notify("WATCHDOG=1\n");
}

void ServiceManager::notify(const std::string& text) const {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (socket_.empty() || socket_.size() >= sizeof name.sun_path) return;
    std::memcpy(name.sun_path, socket_.data(), socket_.size());
    if (socket_.front() == '@') name.sun_path[0] = '\0';
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval patience{1, 0};  // a manager that does not listen must not stop the mail
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    (void)::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&name),
                   length);
}

}  // namespace postoffice
