#include "postoffice/daemon/authenticator.h"

#include <fmt/format.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <optional>
#include <vector>

#include "auth_worker.h"
#include "postoffice/base/accounts.h"
#include "postoffice/base/error.h"
#include "postoffice/base/foreign_descriptors.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/policy/rate_table.h"

namespace postoffice {
namespace {

constexpr int most_questions_at_a_time = 64;
constexpr std::ptrdiff_t most_idle = 4;  // children that wait for the next question
constexpr Seconds guess_window{3600};

struct Question {
    Deadline patience;
    std::uint64_t session;  // number of its pass
    bool asks_pam;
};

struct Child {
    Worker worker;
    std::optional<Question> question{};
    bool is_leaving = false;  // gets no more questions

    bool is_idle() const { return !question && !is_leaving; }
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
            while (const int signal = signals_.next())
                if (signal != SIGCHLD) requests_.reset();
            for (auto& [pid, child] : children_) read_answer(child);
            reap();
            if (requests_) read_requests();
            for (auto& [pid, child] : children_) {
                if (child.question && child.question->patience.passed()) (void)::kill(pid, SIGKILL);
                if (!requests_ && child.is_idle()) end(child);
            }
            foreign_.close_all();
        }
        return 0;
    }

  private:
    void wait() const {
        std::vector<pollfd> polled{{signals_.fd(), POLLIN, 0}, {requests_.get(), POLLIN, 0}};
        for (const auto& [pid, child] : children_)
            if (child.question) polled.push_back({child.worker.channel.get(), POLLIN, 0});
        if (::poll(polled.data(), polled.size(), polled.size() == 2 ? -1 : 500) < 0 && errno != EINTR)
            throw_errno("poll");
    }

    /// A child without a question leaves when its channel is closed, which may have lost a descriptor in it.
    void end(Child& child) {
        child.is_leaving = true;
        foreign_.add(std::move(child.worker.channel));
    }

    void read_answer(Child& child) {
        if (!child.question) return;
        const auto done = receive_struct_now<AuthDone>(child.worker.channel.get());
        if (done.kind != PacketArrival::Kind::packet) return;
        if (done.value.outcome == AuthOutcome::no) count_guess(child.question->session);
        const bool is_last = child.question->asks_pam;
        child.question.reset();
        const auto idle = std::count_if(children_.begin(), children_.end(),
                                        [](const auto& one) { return one.second.is_idle(); });
        if (is_last || idle > most_idle) end(child);
    }

    void reap() {
        for (ProcessEnd ended = reap_child(); ended.pid != 0; ended = reap_child()) {
            const auto found = children_.find(ended.pid);
            if (found == children_.end()) {
                log_if_crashed("authentication", ended);
                continue;
            }
            Child& child = found->second;
            read_answer(child);
            if (child.question || !ended.was_told_to_end()) log_if_crashed("authentication", ended);
            foreign_.add(std::move(child.worker.channel));
            children_.erase(found);
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
        std::size_t questions = 0, of_session = 0;
        for (const auto& [pid, child] : children_) {
            questions += child.question ? 1 : 0;
            of_session += child.question && child.question->session == session ? 1 : 0;
        }
        return of_session >= limits_.of_one_session || questions >= limits_.children ||
               guesses_.count(guesses_of(session), guess_window) >= config_.auth.failures;
    }

    void refuse(Fd channel) {
        send_verdict(channel, {});
        foreign_.add(std::move(channel));
    }

    Child& start_child() {
        foreign_.close_all();
        Worker worker = start_auth_worker(config_, keys_, limits_.patience);
        const pid_t pid = worker.pid;
        return children_.emplace(pid, Child{std::move(worker)}).first->second;
    }

    void serve(const AuthRequest& request, Fd channel) {
        const std::uint64_t session = request.pass.number;
        if (has_enough(session)) return refuse(std::move(channel));
        const Question question{Deadline::after(std::chrono::duration_cast<Milliseconds>(limits_.patience)),
                                session, asks_pam(config_, request)};
        try {
            for (auto& [pid, child] : children_)
                if (channel && child.is_idle() && !give(child, question, request, channel)) end(child);
            if (channel && !give(start_child(), question, request, channel))
                throw_errno(EPIPE, "a new process ended at once");
        } catch (const std::system_error& error) {
            log_event("", "authenticator-failed", {{"reason", error.what()}});
            if (channel) refuse(std::move(channel));
        }
    }

    static bool give(Child& child, const Question& question, const AuthRequest& request, Fd& channel) {
        if (!give_question(child.worker, request, channel)) return false;
        child.question = question;
        return true;
    }

    const Config& config_;
    const AuthenticatorLimits limits_;
    Fd requests_;
    const PassKey& passes_;
    RateTable guesses_{4096};     // wrong ones, by session
    ForeignDescriptors foreign_;  // what is to be closed, once this process need not wait for that
    SignalSource signals_{SIGTERM, SIGINT, SIGCHLD};
    const AuthenticatorKeys keys_;
    std::map<pid_t, Child> children_;
};

}  // namespace

int run_authenticator(const Config& config, Fd requests, const LoginKeys& keys,
                      const AuthenticatorLimits& limits) {
    ignore_sigpipe();
    load_name_services();
    return AuthenticatorProcess(config, std::move(requests), keys, limits).run();
}

}  // namespace postoffice
