#include "postoffice/daemon/authenticator.h"

#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <map>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/domain_files.h"
#include "postoffice/policy/authentication.h"
#include "postoffice/policy/pam.h"
#include "postoffice/policy/passwords.h"

namespace postoffice {
namespace {

constexpr int most_at_a_time = 64;

/// An account of the host. root does not send mail from elsewhere: its password is not there to be guessed at
/// here.
AuthVerdict check_account(const std::string& name, const std::string& password, const std::string& client) {
    const passwd* account = ::getpwnam(name.c_str());
    const std::string canonical = account != nullptr ? account->pw_name : "";
    const bool is_root = account != nullptr && account->pw_uid == 0;
    const AuthOutcome outcome = ask_pam(is_root ? "" : name, password, client);
    if (is_root || (account == nullptr && outcome == AuthOutcome::yes)) return {AuthOutcome::no, ""};
    return {outcome, canonical};
}

/// A user of a virtual domain, as long as that is active: who may not get mail does not send any. Throws if it
/// cannot be told.
std::optional<VirtualUser> find_in_domain(const Config& config, const std::string& name,
                                          const std::string& domain_name) {
    DomainTable domains(config.vhost_dir);
    domains.refresh();
    const VirtualDomain* domain = domains.find(domain_name);
    if (domain == nullptr) return std::nullopt;
    if (!domain->problem.empty()) throw FormatError(domain->name + ": " + domain->problem);
    if (!domain->active) return std::nullopt;
    const Fd file = open_domain_file(domains.folder_of(*domain), *domain, "passwd");
    if (!file) return std::nullopt;
    return find_virtual_user(file.get(), name);
}

AuthVerdict check(const Config& config, const std::string& user, const std::string& password,
                  const std::string& client) {
    const auto at = user.rfind('@');
    if (at == std::string::npos) return check_account(user, password, client);
    const std::string name = user.substr(0, at);
    const std::string domain = to_lower(user.substr(at + 1));
    if (config.is_local_domain(domain)) return check_account(name, password, client);
    const auto virtual_user = find_in_domain(config, name, domain);
    const bool is_right = is_password(password, virtual_user ? virtual_user->hash : "");
    if (!virtual_user || !is_right) return {AuthOutcome::no, ""};
    return {AuthOutcome::yes, virtual_user->name + "@" + domain};
}

void send_answer(const Fd& channel, const AuthVerdict& verdict) {
    AuthAnswer answer;
    answer.outcome = answer.user.assign(verdict.user) ? verdict.outcome : AuthOutcome::not_now;
    try {
        (void)send_packet_now(channel.get(), std::as_bytes(std::span(&answer, 1)));
    } catch (const std::system_error&) {
        // Whoever asked does not want to know any more.
    }
}

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
            for (const auto& [pid, patience] : children_)
                if (patience.passed()) (void)::kill(pid, SIGKILL);
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
                request.magic == AuthRequest::expected_magic && arrival.packet.descriptors.size() == 1;
            if (is_request) serve(request, std::move(arrival.packet.descriptors.front()));
            ::explicit_bzero(static_cast<void*>(&request), sizeof request);
        }
    }

    void serve(const AuthRequest& request, Fd channel) {
        if (children_.size() >= limits_.children) return send_answer(channel, {AuthOutcome::not_now, ""});
        try {
            const std::string client = printable(request.client.str());
            const pid_t pid = spawn_process("authenticating " + client, [&] {
                requests_.reset();
                signals_.reset();
                std::string password = request.password.str();
                const auto verdict = check(config_, request.user.str(), password, client);
                wipe(password);
                send_answer(channel, verdict);
                return 0;
            });
            children_.emplace(pid,
                              Deadline::after(std::chrono::duration_cast<Milliseconds>(limits_.patience)));
        } catch (const std::system_error& error) {
            log_event("", "authenticator", {{"error", error.what()}});
            send_answer(channel, {AuthOutcome::not_now, ""});
        }
    }

    const Config& config_;
    const AuthenticatorLimits limits_;
    Fd requests_;
    std::optional<SignalSource> signals_{std::in_place, std::initializer_list<int>{SIGTERM, SIGINT, SIGCHLD}};
    std::map<pid_t, Deadline> children_;
};

}  // namespace

int run_authenticator(const Config& config, Fd requests, const AuthenticatorLimits& limits) {
    ignore_sigpipe();
    return AuthenticatorProcess(config, std::move(requests), limits).run();
}

}  // namespace postoffice
