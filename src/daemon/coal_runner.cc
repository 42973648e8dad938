#include "postoffice/daemon/coal_runner.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/ip_network.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/config/config_file.h"
#include "postoffice/local/program.h"
#include "postoffice/net/mx.h"
#include "postoffice/policy/client.h"
#include "postoffice/policy/client_rates.h"

namespace postoffice {
namespace {

constexpr Seconds command_patience{10};
constexpr std::size_t most_remembered = 60;
constexpr Seconds memory_span{60};

template <class T>
bool contains(const std::vector<T>& list, const T& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
}

class CoalRunner {
  public:
    explicit CoalRunner(const Config& config) : config_(config), own_(interface_addresses()) {}

    void add(const CoalRequest& request) {
        const auto address = IpAddress::parse(request.address.str());
        if (!address || !may_be_named(*address)) return;
        named_.push_back({*address, {}});
        run(*address);
    }

  private:
    struct Named {
        IpAddress address;
        Stopwatch since;
    };

    bool may_be_named(const IpAddress& address) {
        while (!named_.empty() && named_.front().since.time() >= memory_span) named_.pop_front();
        return named_.size() < most_remembered && !address.is_unspecified() &&
               !is_exempt_address(config_.access, address) && !contains(own_, address) &&
               !is_listed(config_.network.proxies, address) &&
               std::none_of(named_.begin(), named_.end(),
                            [&](const Named& named) { return named.address == address; });
    }

    void run(const IpAddress& address) const {
        const std::string client = Client{address}.text();
        const std::string& program = config_.limits.coal_command;
        try {
            if (const auto file = find_trusted_file(program, ::geteuid()); file.exit_code != 0) {
                log_event("", "coal-failed",
                          {{"client", client}, {"command", program}, {"reason", file.problem}});
                return;
            }
            const Fd nothing = disk::open("/dev/null", O_RDONLY);
            const auto end = run_program(
                {program, {program, address.to_string()}, "/", {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}},
                nothing.get(), Deadline::after(command_patience));
            const std::string result =
                end.timed_out ? "killed, it took too long" : ProcessEnd{0, end.status}.text();
            log_event("", "coal-run",
                      {{"client", client}, {"command", program}, {"status", result}, {"output", end.output}});
        } catch (const std::system_error& error) {
            log_event("", "coal-failed",
                      {{"client", client}, {"command", program}, {"reason", error.what()}});
        }
    }

    const Config& config_;
    const std::vector<IpAddress> own_;
    std::deque<Named> named_;  // within the memory span
};

}  // namespace

void CoalHandle::name(const IpAddress& address) const {
    if (handle_ < 0) return;
    CoalRequest request;
    request.address.assign_cut(address.to_string());
    try {
        send_request(handle_, std::as_bytes(std::span(&request, 1)), {}, Deadline::after(Milliseconds(0)));
    } catch (const std::exception& error) {
        log_event("", "coal-failed", {{"client", Client{address}.text()}, {"reason", in_plain_words(error)}});
    }
}

int run_coal_runner(const Config& config, Fd requests) {
    ignore_sigpipe();
    CoalRunner runner(config);
    ForeignDescriptors foreign;  // there should be none
    for (;;) {
        pollfd waiting{requests.get(), POLLIN, 0};
        if (::poll(&waiting, 1, -1) < 0 && errno != EINTR) throw_errno("poll");
        CoalRequest request;
        auto arrival = receive_packet_now(requests.get(), std::as_writable_bytes(std::span(&request, 1)));
        if (arrival.kind == PacketArrival::Kind::packet && arrival.packet.size == sizeof request)
            runner.add(request);
        foreign.add(std::move(arrival.packet.descriptors));
        foreign.close_all();
        while (reap_child().pid != 0) continue;
    }
}

}  // namespace postoffice
