#include "postoffice/daemon/authenticator.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>

#include "auth_question.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/policy/authentication.h"

namespace postoffice {
namespace {

constexpr int most_at_a_time = 64;
constexpr int longest_line_of_descent = 16;

pid_t parent_of(pid_t pid) {
    try {
        const Fd file = disk::open_if_exists(fmt::format("/proc/{}/stat", pid), O_RDONLY);
        if (!file) return 0;
        // "PID (NAME) STATE PPID": the name may hold anything.
        const std::string stat = disk::read_all(file.get(), 4096);
        std::string_view rest = std::string_view(stat).substr(stat.rfind(')') + 1);
        rest = trim(rest);
        (void)take_until(rest, ' ');
        return static_cast<pid_t>(parse_number(take_until(rest, ' ')).value_or(0));
    } catch (const std::system_error&) {
        return 0;  // it has left meanwhile
    }
}

/// The session process that `pid` is or comes from: one whose parent, the listener, is a child of our own
/// parent. 0 for all others; whoever forks and leaves its children behind does not become somebody else.
pid_t session_of(pid_t pid) {
    const pid_t master = ::getppid();
    for (int generations = 0; pid > 1 && generations < longest_line_of_descent; ++generations) {
        const pid_t parent = parent_of(pid);
        if (parent > 1 && parent_of(parent) == master) return pid;
        pid = parent;
    }
    return 0;
}

struct Question {
    Deadline patience;
    pid_t session;
};

class AuthenticatorProcess {
  public:
    AuthenticatorProcess(const Config& config, Fd requests, const AuthenticatorLimits& limits)
        : config_(config), limits_(limits), requests_(std::move(requests)) {}

    int run() {
        while (requests_ || !children_.empty()) {
            wait();
            while (const int signal = signals_->next())
                if (signal != SIGCHLD) requests_.reset();
            reap();
            if (requests_) read_requests();
            for (const auto& [pid, question] : children_)
                if (question.patience.passed()) (void)::kill(pid, SIGKILL);
        }
        return 0;
    }

  private:
    void wait() const {
        pollfd polled[] = {{signals_->fd(), POLLIN, 0}, {requests_.get(), POLLIN, 0}};
        if (::poll(polled, std::size(polled), children_.empty() ? -1 : 500) < 0 && errno != EINTR)
            throw_errno("poll");
    }

    void reap() {
        for (ProcessEnd end = reap_child(); end.pid != 0; end = reap_child()) {
            children_.erase(end.pid);
            log_if_crashed("authentication", end);
        }
    }

    void read_requests() {
        for (int i = 0; i < most_at_a_time; ++i) {
            AuthRequest request;
            auto arrival =
                receive_packet_now(requests_.get(), std::as_writable_bytes(std::span(&request, 1)));
            if (arrival.kind == Arrival::Kind::nothing) return;
            const bool is_request =
                arrival.kind == Arrival::Kind::packet && arrival.packet.size == sizeof request &&
                request.magic == AuthRequest::expected_magic && arrival.packet.descriptors.size() == 1 &&
                request.method <= AuthRequest::Method::scram;
            if (is_request)
                serve(request, std::move(arrival.packet.descriptors.front()),
                      session_of(arrival.packet.sender));
            ::explicit_bzero(static_cast<void*>(&request), sizeof request);
        }
    }

    bool has_enough(pid_t session) const {
        const auto asked = std::count_if(children_.begin(), children_.end(),
                                         [&](const auto& child) { return child.second.session == session; });
        return static_cast<std::size_t>(asked) >= limits_.of_one_session ||
               children_.size() >= limits_.children;
    }

    void serve(AuthRequest& request, Fd channel, pid_t session) {
        if (has_enough(session)) return send_verdict(channel, {});
        try {
            const auto patience = Deadline::after(std::chrono::duration_cast<Milliseconds>(limits_.patience));
            const pid_t pid = spawn_process("authenticating " + printable(request.client.str()), [&] {
                requests_.reset();
                signals_.reset();
                answer_question(config_, request, channel, salt_key_, patience);
                return 0;
            });
            children_.emplace(pid, Question{patience, session});
        } catch (const std::system_error& error) {
            log_event("", "authenticator", {{"error", error.what()}});
            send_verdict(channel, {});
        }
    }

    const Config& config_;
    const AuthenticatorLimits limits_;
    Fd requests_;
    std::optional<SignalSource> signals_{std::in_place, std::initializer_list<int>{SIGTERM, SIGINT, SIGCHLD}};
    const ScramDigest salt_key_ = make_salt_key();
    std::map<pid_t, Question> children_;
};

}  // namespace

int run_authenticator(const Config& config, Fd requests, const AuthenticatorLimits& limits) {
    ignore_sigpipe();
    return AuthenticatorProcess(config, std::move(requests), limits).run();
}

}  // namespace postoffice
