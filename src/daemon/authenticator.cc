#include "postoffice/daemon/authenticator.h"

#include <fmt/format.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>

#include "auth_question.h"
#include "postoffice/base/error.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/policy/rate_table.h"

namespace postoffice {
namespace {

constexpr int most_questions_at_a_time = 64;
constexpr int exit_wrong = 3;  // of a child: the password was wrong
constexpr Seconds guess_window{3600};

struct Question {
    Deadline patience;
    std::uint64_t session;  // number of its pass
};

std::string guesses_of(std::uint64_t session) {
    return fmt::format("guesses {}", session);
}

class AuthenticatorProcess {
  public:
    AuthenticatorProcess(const Config& config, Fd requests, const LoginKeys& keys,
                         const AuthenticatorLimits& limits)
        : config_(config),
          limits_(limits),
          requests_(std::move(requests)),
          passes_(keys.passes),
          keys_{make_salt_key(), keys.tickets} {}

    int run() {
        while (requests_ || !children_.empty()) {
            wait();
            while (const int signal = signals_->next())
                if (signal != SIGCHLD) requests_.reset();
            reap();
            if (requests_) read_requests();
            for (const auto& [pid, question] : children_)
                if (question.patience.passed()) (void)::kill(pid, SIGKILL);
            foreign_.close_all();
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
            const auto child = children_.find(end.pid);
            if (child != children_.end() && end.exited_with(exit_wrong))
                count_guess(child->second.session);
            else
                log_if_crashed("authentication", end);
            if (child != children_.end()) children_.erase(child);
        }
    }

    void count_guess(std::uint64_t session) {
        if (guesses_.add(guesses_of(session), 1, guess_window) == config_.auth.failures)
            log_event("", "login-failed", {{"reason", "too many failures of one session"}});
    }

    void read_requests() {
        for (int i = 0; i < most_questions_at_a_time; ++i) {
            AuthRequest request;
            auto arrival =
                receive_packet_now(requests_.get(), std::as_writable_bytes(std::span(&request, 1)));
            if (arrival.kind == PacketArrival::Kind::nothing) return;
            auto& descriptors = arrival.packet.descriptors;
            const bool is_request = arrival.kind == PacketArrival::Kind::packet &&
                                    arrival.packet.size == sizeof request && has_own_tag(request) &&
                                    request.method <= AuthRequest::Method::scram && descriptors.size() == 1 &&
                                    is_packet_socket(descriptors.front().get());
            if (is_request && passes_.has_sealed(request.pass))
                serve(request, std::move(descriptors.front()));
            else
                foreign_.add(std::move(descriptors));
            ::explicit_bzero(static_cast<void*>(&request), sizeof request);
        }
    }

    bool has_enough(std::uint64_t session) const {
        const auto asked = std::count_if(children_.begin(), children_.end(),
                                         [&](const auto& child) { return child.second.session == session; });
        return static_cast<std::size_t>(asked) >= limits_.of_one_session ||
               children_.size() >= limits_.children ||
               guesses_.count(guesses_of(session), guess_window) >= config_.auth.failures;
    }

    void refuse(Fd channel) {
        send_verdict(channel, {});
        foreign_.add(std::move(channel));
    }

    void serve(AuthRequest& request, Fd channel) {
        const std::uint64_t session = request.pass.number;
        if (has_enough(session)) return refuse(std::move(channel));
        foreign_.close_all();
        try {
            const auto patience = Deadline::after(std::chrono::duration_cast<Milliseconds>(limits_.patience));
            const pid_t pid = spawn_process("authenticating " + printable(request.client.str()), [&] {
                requests_.reset();
                signals_.reset();
                const AuthOutcome outcome = answer_question(config_, request, channel, keys_, patience);
                return outcome == AuthOutcome::no ? exit_wrong : 0;
            });
            children_.emplace(pid, Question{patience, session});
        } catch (const std::system_error& error) {
            log_event("", "authenticator-failed", {{"reason", error.what()}});
            refuse(std::move(channel));
        }
    }

    const Config& config_;
    const AuthenticatorLimits limits_;
    Fd requests_;
    const PassKey& passes_;
    RateTable guesses_{4096};     // wrong ones, by session
    ForeignDescriptors foreign_;  // what is to be closed, once this process need not wait for that
    std::optional<SignalSource> signals_{std::in_place, std::initializer_list<int>{SIGTERM, SIGINT, SIGCHLD}};
    const AuthenticatorKeys keys_;
    std::map<pid_t, Question> children_;
};

}  // namespace

int run_authenticator(const Config& config, Fd requests, const LoginKeys& keys,
                      const AuthenticatorLimits& limits) {
    ignore_sigpipe();
    return AuthenticatorProcess(config, std::move(requests), keys, limits).run();
}

}  // namespace postoffice
