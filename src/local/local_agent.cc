#include "postoffice/local/local_agent.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "agent_answer.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/routing/availability.h"
#include "postoffice/routing/user_files.h"

namespace postoffice {
namespace {

class LocalAgent {
  public:
    LocalAgent(const Config& config, AgentDuty duty, Fd control, Seconds idle)
        : config_(config), duty_(std::move(duty)), idle_(idle), control_(std::move(control)) {}

    int run();

  private:
    struct Channel {
        Fd socket;
        std::uint64_t last_use = 0;
    };
    struct Job {
        int channel = -1;  // descriptor to answer on
        Fd message;
        std::string id;
        DeliveryStamp stamp;
        MailFolder folder = MailFolder::inbox;
        DeliveryResult result;
    };

    bool wait();
    void shut_down();
    void receive_channels();
    void make_room();
    void collect_batch();
    bool read_request(Channel& channel);
    bool serve(Channel& channel, const DeliveryRequest& request, std::vector<Fd>& descriptors);
    bool serve(Channel& channel, const FileRequest& request, std::vector<Fd>& descriptors);
    bool serve(Channel& channel, const DomainRequest& request, std::vector<Fd>& descriptors) const;
    bool serve(Channel& channel, const AvailabilityRequest& request, std::vector<Fd>& descriptors);
    void deliver_batch();
    void append_all(Mailbox& mailbox);
    void append(Mailbox& mailbox, Job& job);
    bool was_delivered(const Job& job) const;
    void keep_answer(Job job);
    Mailbox& mailbox_for(const Job& job) const;
    void fail_batch(const Mailbox& mailbox, const DeliveryResult& result, const std::string& why);
    void nothing_delivered(const Mailbox& mailbox, const DeliveryResult& result, const std::string& why);
    void not_delivered(Job& job, DeliveryResult result, const std::string& why) const;
    void answer_batch();

    const Config& config_;
    AgentDuty duty_;
    const Seconds idle_;
    SignalSource signals_{SIGTERM, SIGINT};
    Fd control_;
    std::vector<Channel> channels_;
    std::vector<pollfd> polled_;  // signals, control, then the channels in their order
    std::vector<Job> batch_;
    std::deque<Job> kept_;  // delivered, but their clients did not wait for the answers
    std::uint64_t round_ = 0;
    bool leaving_ = false;
};

int LocalAgent::run() {
    while (control_ || !channels_.empty()) {
        if (!wait()) shut_down();
        if (polled_[0].revents != 0 && signals_.next() != 0) shut_down();
        collect_batch();
        if (!batch_.empty()) deliver_batch();
        if (polled_[1].revents != 0) receive_channels();
    }
    return 0;
}

/// False when nothing happened for the idle time.
bool LocalAgent::wait() {
    polled_.clear();
    polled_.push_back({signals_.fd(), POLLIN, 0});
    polled_.push_back({control_.get(), POLLIN, 0});
    for (const Channel& channel : channels_) polled_.push_back({channel.socket.get(), POLLIN, 0});
    const Deadline deadline = Deadline::after(idle_);
    for (;;) {
        const int n = ::poll(polled_.data(), polled_.size(), deadline.poll_timeout());
        if (n > 0) return true;
        if (n == 0 && deadline.passed()) return false;
        if (n < 0 && errno != EINTR) throw_errno("poll");
    }
}

void LocalAgent::shut_down() {
    if (std::exchange(leaving_, true)) return;
    if (control_) (void)::shutdown(control_.get(), SHUT_RD);
    for (const Channel& channel : channels_) (void)::shutdown(channel.socket.get(), SHUT_RD);
}

void LocalAgent::receive_channels() {
    for (;;) {
        ChannelHandover handover;
        auto arrival = receive_packet_now(control_.get(), std::as_writable_bytes(std::span(&handover, 1)));
        if (arrival.kind == PacketArrival::Kind::nothing) return;
        if (arrival.kind == PacketArrival::Kind::end) {
            control_.reset();
            shut_down();
            return;
        }
        if (arrival.kind != PacketArrival::Kind::packet || arrival.packet.descriptors.size() != 1) continue;
        make_room();
        channels_.push_back({std::move(arrival.packet.descriptors.front()), round_});
        if (leaving_) (void)::shutdown(channels_.back().socket.get(), SHUT_RD);
    }
}

void LocalAgent::make_room() {
    if (channels_.size() < most_agent_channels) return;
    const auto silent =
        std::min_element(channels_.begin(), channels_.end(),
                         [](const Channel& a, const Channel& b) { return a.last_use < b.last_use; });
    // Its client will see that it ended. A request in it was not answered, so it was not acknowledged either.
    channels_.erase(silent);
}

/// One request from each channel that has one; those behind a full batch come first the next time.
void LocalAgent::collect_batch() {
    batch_.clear();
    ++round_;
    const std::size_t count = polled_.size() - 2;
    for (std::size_t i = 0; i < count && batch_.size() < most_in_batch; ++i) {
        const short events = polled_[2 + i].revents;
        if (events == 0) continue;
        // A client that is gone was promised nothing, and may be trying again elsewhere.
        if ((events & (POLLHUP | POLLERR | POLLNVAL)) != 0 || !read_request(channels_[i]))
            channels_[i].socket.reset();
    }
    std::erase_if(channels_, [](const Channel& channel) { return !channel.socket; });
    if (batch_.size() == most_in_batch)
        std::stable_sort(channels_.begin(), channels_.end(),
                         [](const Channel& a, const Channel& b) { return a.last_use < b.last_use; });
}

/// False when the channel is at its end, or its client does not keep to the protocol.
bool LocalAgent::read_request(Channel& channel) {
    constexpr std::size_t largest = std::max(
        {sizeof(DeliveryRequest), sizeof(FileRequest), sizeof(DomainRequest), sizeof(AvailabilityRequest)});
    std::byte buffer[largest];
    auto arrival = receive_packet_now(channel.socket.get(), buffer);
    if (arrival.kind == PacketArrival::Kind::nothing) return true;
    if (arrival.kind == PacketArrival::Kind::end) return false;
    if (arrival.kind == PacketArrival::Kind::packet) {
        const auto request = parse_tagged<DeliveryRequest, FileRequest, DomainRequest, AvailabilityRequest>(
            std::span(buffer).first(arrival.packet.size));
        const auto serve_it = [&](const auto& one) {
            return serve(channel, one, arrival.packet.descriptors);
        };
        if (request && std::visit(serve_it, *request)) return true;
    }
    log_event("", "malformed-request", {{"user", duty_.name}, {"reason", "malformed request"}});
    return false;
}

/// Each of these returns false if the agent is not there for such requests.
bool LocalAgent::serve(Channel& channel, const DeliveryRequest& request, std::vector<Fd>& descriptors) {
    if (!duty_.mailbox || descriptors.size() != 1) return false;
    channel.last_use = round_;
    Job& job = batch_.emplace_back();
    job.channel = channel.socket.get();
    job.message = std::move(descriptors.front());
    job.id = printable(request.id.str());
    job.stamp = {printable(request.sender.str()), printable(request.recipient.str())};
    job.folder = static_cast<MailFolder>(request.folder);
    return true;
}

bool LocalAgent::serve(Channel& channel, const FileRequest& request, std::vector<Fd>&) {
    if (!duty_.account) return false;
    const bool had_group = duty_.group.needed;
    const UserFile file = read_own_file(
        *duty_.account,
        names_of(duty_.account->name, {request.extension.str(), request.alias_file.str()}, config_),
        duty_.group);
    FileAnswer answer;
    answer.status = static_cast<std::uint8_t>(file.status);
    answer.path.assign_cut(file.path);
    answer.problem.assign_cut(file.problem);
    const Fd text = file.status == UserFile::Status::found ? disk::memory_file(file.text) : Fd();
    const int descriptor = text.get();
    const auto bytes = std::as_bytes(std::span(&answer, 1));
    const auto descriptors = text ? std::span(&descriptor, 1) : std::span<const int>();
    if (send_packet_now(channel.socket.get(), bytes, descriptors) == Sent::full)
        (void)::shutdown(channel.socket.get(), SHUT_RDWR);
    // Mail may need the group: another agent takes it.
    if (had_group && !duty_.group.needed) shut_down();
    return true;
}

bool LocalAgent::serve(Channel& channel, const DomainRequest& request, std::vector<Fd>&) const {
    if (!duty_.domain) return false;
    const DomainEntry entry = duty_.domain->look_up(request.name.str());
    DomainAnswer answer;
    answer.status = static_cast<std::uint8_t>(entry.status);
    answer.user.assign_cut(entry.user.value_or(""));
    answer.is_owner = entry.is_owner ? 1 : 0;
    answer.alias_line = entry.alias_line;
    answer.problem.assign_cut(entry.problem);
    const bool is_too_long = entry.alias && entry.alias->size() > most_alias_octets;
    if (is_too_long) {
        answer.status = static_cast<std::uint8_t>(DomainEntry::Status::temporary);
        answer.problem.assign_cut("alias " + request.name.str() + ": longer than an alias can be");
    }
    const Fd value = entry.alias && !is_too_long ? disk::memory_file(*entry.alias) : Fd();
    const int descriptor = value.get();
    const auto bytes = std::as_bytes(std::span(&answer, 1));
    const auto descriptors = value ? std::span(&descriptor, 1) : std::span<const int>();
    if (send_packet_now(channel.socket.get(), bytes, descriptors) == Sent::full)
        (void)::shutdown(channel.socket.get(), SHUT_RDWR);
    return true;
}

bool LocalAgent::serve(Channel& channel, const AvailabilityRequest&, std::vector<Fd>&) {
    if (!duty_.virtual_mailbox) return false;
    const auto& [user, domain] = *duty_.virtual_mailbox;
    const auto unavailable = check_virtual_mailbox(config_, ::geteuid(), user, domain).known();
    const DeliveryAnswer answer =
        answer_of(unavailable ? deferred(unavailable->reply.status, unavailable->reply.text)
                              : delivered("Nothing is in the way"));
    if (send_packet_now(channel.socket.get(), std::as_bytes(std::span(&answer, 1))) == Sent::full)
        (void)::shutdown(channel.socket.get(), SHUT_RDWR);
    // The mailbox may be another account's by now: then another agent takes the next request.
    if (unavailable && unavailable->reply.status == "4.2.0") shut_down();
    return true;
}

void LocalAgent::deliver_batch() {
    ::alarm(static_cast<unsigned>(batch_patience.count()));
    append_all(*duty_.mailbox);
    for (const auto& folder : {&duty_.forbidden_folder, &duty_.spam_folder})
        if (*folder) append_all(**folder);
    ::alarm(0);
    answer_batch();
}

void LocalAgent::append_all(Mailbox& mailbox) {
    const auto belongs_here = [&](const Job& job) { return &mailbox_for(job) == &mailbox; };
    if (std::none_of(batch_.begin(), batch_.end(), belongs_here)) return;
    try {
        mailbox.begin();
        for (Job& job : batch_)
            if (belongs_here(job)) append(mailbox, job);
        mailbox.finish();
    } catch (const std::system_error& e) {
        fail_batch(mailbox, deferred_for(e), e.what());
    } catch (const Timeout& e) {
        fail_batch(mailbox, deferred("4.2.0", e.what()), e.what());
    } catch (const UnfitMailbox& e) {
        fail_batch(mailbox, deferred("4.2.0", e.what()), e.what());
    }
    // Anything else ends this process: locks are dropped and no answer is sent, which defers the batch.
}

/// The client that asks is not the one that did not wait, but it asks about the same message.
bool LocalAgent::was_delivered(const Job& job) const {
    return std::any_of(kept_.begin(), kept_.end(), [&](const Job& kept) {
        return kept.id == job.id && kept.stamp.recipient == job.stamp.recipient && kept.folder == job.folder;
    });
}

void LocalAgent::keep_answer(Job job) {
    if (job.result.outcome != DeliveryResult::Outcome::delivered) return;
    job.message.reset();
    kept_.push_back(std::move(job));
    if (kept_.size() > most_kept_answers) kept_.pop_front();
}

void LocalAgent::append(Mailbox& mailbox, Job& job) {
    try {
        if (was_delivered(job)) {
            job.result = delivered("Delivered to the mailbox of " + duty_.name);
            return;
        }
        mailbox.append(job.stamp, job.message.get());
        job.result = delivered("Delivered to the mailbox of " + duty_.name);
    } catch (const std::system_error& e) {
        not_delivered(job, deferred_for(e), e.what());
    } catch (const FormatError& e) {
        not_delivered(job, deferred("4.3.0", e.what()), e.what());
    }
}

/// A configuration that has no folder any more takes what was meant for it as other mail.
Mailbox& LocalAgent::mailbox_for(const Job& job) const {
    const bool is_forbidden = job.folder == MailFolder::forbidden && duty_.forbidden_folder;
    const bool is_spam = job.folder == MailFolder::spam && duty_.spam_folder;
    return is_forbidden ? *duty_.forbidden_folder : is_spam ? *duty_.spam_folder : *duty_.mailbox;
}

/// The next request meets a new agent: what was wrong may be what this one was given when it began, such as
/// the group that may create mailboxes, and is not any more.
void LocalAgent::fail_batch(const Mailbox& mailbox, const DeliveryResult& result, const std::string& why) {
    nothing_delivered(mailbox, result, why);
    shut_down();
}

/// The batch as a whole failed, as far as it was for this mailbox; what had failed before that keeps its own
/// reason.
void LocalAgent::nothing_delivered(const Mailbox& mailbox, const DeliveryResult& result,
                                   const std::string& why) {
    for (Job& job : batch_)
        if (&mailbox_for(job) == &mailbox &&
            (job.result.outcome == DeliveryResult::Outcome::delivered || job.result.reply.text.empty()))
            not_delivered(job, result, why);
}

void LocalAgent::not_delivered(Job& job, DeliveryResult result, const std::string& why) const {
    log_event(job.id, "mailbox-failed",
              {{"user", duty_.name}, {"reply", result.reply.line()}, {"reason", why}});
    job.result = std::move(result);
}

void LocalAgent::answer_batch() {
    for (Job& job : batch_) {
        const DeliveryAnswer answer = answer_of(job.result);
        const Sent sent = send_packet_now(job.channel, std::as_bytes(std::span(&answer, 1)));
        // A client that does not read its answers has nothing to wait for: it must not hold up the others.
        if (sent == Sent::full) (void)::shutdown(job.channel, SHUT_RDWR);
        if (sent == Sent::gone) keep_answer(std::move(job));
    }
    batch_.clear();
}

}  // namespace

AgentDuty duty_of_account(const Config& config, const Account& account, const MailboxGroup& group) {
    return {account.name,
            open_mailbox_of(config, account, group),
            open_folder_of(config, account, group, MailFolder::forbidden),
            open_folder_of(config, account, group, MailFolder::spam),
            account,
            group,
            nullptr};
}

int run_local_agent(const Config& config, AgentDuty duty, Fd control, Seconds idle) {
    ignore_sigpipe();
    ::signal(SIGXFSZ, SIG_IGN);  // a mailbox at its size limit is an error of write(2), not our end
    ::umask(077);
    return LocalAgent(config, std::move(duty), std::move(control), idle).run();
}

}  // namespace postoffice
