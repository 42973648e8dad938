#include "postoffice/daemon/sts_fetcher.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "postoffice/base/error.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/system_calls.h"
#include "postoffice/base/text.h"
#include "postoffice/net/https.h"
#include "postoffice/net/resolver.h"
#include "postoffice/outbound/sts_fetcher_handle.h"

namespace postoffice {
namespace {

// One minute together (RFC 8461 section 3.3).
constexpr Seconds lookup_patience{15};
constexpr Seconds patience{45};
constexpr unsigned most_questions = 20;
constexpr std::size_t most_children = 20;
constexpr std::size_t most_waiting = 200;

Result<std::string> fetch(const Config& config, const std::string& domain) {
    const std::string host = "mta-sts." + domain;
    const Resolver resolver = Resolver(ResolverSettings::from(config.network.nameservers))
                                  .until(Deadline::after(lookup_patience), most_questions);
    const AddressLookup found = resolver.addresses(host);
    if (found.status != DnsStatus::found) return Problem{found.why};
    return https_get({.host = host,
                      .path = "/.well-known/mta-sts.txt",
                      .addresses = found.addresses,
                      .authorities = config.remote.tls_authorities,
                      .most = longest_sts_policy,
                      .patience = patience});
}

/// In a child.
int answer(const Config& config, const std::string& domain, const Fd& channel) {
    const auto text = fetch(config, domain);
    auto result = std::make_unique<StsFetchAnswer>();
    result->is_fetched = text && result->text.assign(*text) ? 1 : 0;
    if (result->is_fetched == 0) result->text.assign_cut(text ? "it is no text" : text.problem());
    send_struct(channel.get(), *result);
    return 0;
}

class StsFetcher {
  public:
    StsFetcher(const Config& config, Fd requests) : config_(config), requests_(std::move(requests)) {}

    int run() {
        while (requests_ || !children_.empty()) {
            wait();
            while (const int signal = signals_->next())
                if (signal != SIGCHLD) requests_.reset();
            reap();
            if (requests_) read_requests();
            while (!waiting_.empty() && children_.size() < most_children) start_first();
            foreign_.close_all();
        }
        return 0;
    }

  private:
    struct Waiting {
        std::string domain;
        Fd channel;
    };

    void wait() const {
        const bool has_room = waiting_.size() < most_waiting;
        pollfd polled[] = {{signals_->fd(), POLLIN, 0}, {has_room ? requests_.get() : -1, POLLIN, 0}};
        if (::poll(polled, std::size(polled), -1) < 0 && errno != EINTR) throw_errno("poll");
    }

    void reap() {
        for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child()) {
            log_if_crashed("fetching a policy", end);
            children_.erase(end.pid);
        }
    }

    void read_requests() {
        while (waiting_.size() < most_waiting) {
            auto arrival = receive_struct_now<StsFetchRequest>(requests_.get());
            if (arrival.kind == PacketArrival::Kind::nothing) return;
            const bool is_request = arrival.kind == PacketArrival::Kind::packet &&
                                    arrival.descriptors.size() == 1 &&
                                    is_packet_socket(arrival.descriptors.front().get());
            if (is_request)
                waiting_.push_back({arrival.value.domain.str(), std::move(arrival.descriptors.front())});
            else
                foreign_.add(std::move(arrival.descriptors));
        }
    }

    void start_first() {
        Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        try {
            children_.insert(spawn_process("fetching the policy of " + printable(next.domain), [&] {
                requests_.reset();
                signals_.reset();
                return answer(config_, next.domain, next.channel);
            }));
        } catch (const std::system_error& error) {
            log_event("", "sts-fetch-failed", {{"domain", next.domain}, {"reason", error.code().message()}});
        }
        foreign_.add(std::move(next.channel));
    }

    const Config& config_;
    Fd requests_;
    ForeignDescriptors foreign_;
    std::optional<SignalSource> signals_{std::in_place, std::initializer_list<int>{SIGTERM, SIGINT, SIGCHLD}};
    std::deque<Waiting> waiting_;
    std::set<pid_t> children_;
};

}  // namespace

ServiceIdentity fetcher_identity() {
    constexpr uid_t nobody = 65534;
    if (::geteuid() != 0) return {::getuid(), ::getgid()};
    return {nobody, nobody};
}

int run_sts_fetcher(const Config& config, Fd requests, pid_t parent) {
    ignore_sigpipe();
    confine_to(fetcher_identity());
    end_with_parent(parent);
    CallFilter({.network = true, .children = true}).enforce();
    return StsFetcher(config, std::move(requests)).run();
}

StsFetcherProcess::StsFetcherProcess(const Config& config) {
    if (!config.remote.sts || !https_is_built_in()) return;
    requests_ = make_request_socket();
    pid_ = spawn_process("STS fetcher", [&, parent = ::getpid()] {
        const int reader = requests_->reader.release();
        close_descriptors_except({reader});
        return run_sts_fetcher(config, Fd(reader), parent);
    });
}

StsFetcherProcess::~StsFetcherProcess() {
    if (pid_ == 0) return;
    (void)::kill(pid_, SIGTERM);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
}

StsFetcherHandle StsFetcherProcess::handle() const {
    return requests_ ? StsFetcherHandle(requests_->handle) : StsFetcherHandle();
}

}  // namespace postoffice
