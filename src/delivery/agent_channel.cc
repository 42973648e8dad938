#include "postoffice/delivery/agent_channel.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/base/text.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/routing/delivery_file.h"
#include "postoffice/routing/mailbox_path.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

/// A fresh channel, too, may meet an agent that is just about to leave.
constexpr unsigned most_tries = 3;

/// Agents that are avoided, at most; beyond that it is begun anew.
constexpr std::size_t most_avoided = 1000;

/// What hinders a mailbox is worth a few seconds at RCPT; later the queue looks again.
constexpr Milliseconds patience_with_obstacles{5'000};
/// Without its file nothing can be said of an address but "later". The agent may be waiting for the lock of
/// its mailbox, which other programs have, for as long as this.
constexpr Milliseconds patience_with_files{30'000};

Sent send_before(int socket, std::span<const std::byte> bytes, int descriptor, const Deadline& deadline) {
    for (;;) {
        const Sent sent = send_packet_now(socket, bytes, std::span(&descriptor, 1));
        if (sent != Sent::full) return sent;
        pollfd waiting{socket, POLLOUT, 0};
        const int n = ::poll(&waiting, 1, deadline.poll_timeout());
        if (n < 0 && errno != EINTR) throw_errno("poll");
        if (n == 0 && deadline.passed()) throw Timeout("local delivery is busy");
    }
}

/// The agent is another user's process, so its answer is checked like any input.
DeliveryResult result_of(const DeliveryAnswer& answer) {
    const std::string status = answer.status.str();
    const std::string text = printable(answer.text.str());
    if (answer.magic == DeliveryAnswer::expected_magic && !status.empty()) {
        if (answer.outcome == 0 && status.front() == '2')
            return {DeliveryResult::Outcome::delivered, {250, status, text}, ""};
        if (answer.outcome == 1 && status.front() == '4') return deferred(status, text);
        if (answer.outcome == 2 && status.front() == '5') return failed(status, text);
    }
    return deferred("4.3.0", "Local delivery gave an answer that makes no sense");
}

std::optional<DeliveryAnswer> receive_answer(int socket, const Deadline& deadline) {
    auto received = receive_struct<DeliveryAnswer>(socket, deadline);
    if (!received) return std::nullopt;
    return received->value;
}

std::optional<DeliveryAnswer> waiting_answer(int socket) {
    DeliveryAnswer answer;
    const auto arrival = receive_packet_now(socket, std::as_writable_bytes(std::span(&answer, 1)));
    if (arrival.kind != PacketArrival::Kind::packet || arrival.packet.size != sizeof answer)
        return std::nullopt;
    return answer;
}

/// A channel to a process that the spawner will provide.
Fd request_agent(int spawner, SpawnRequest::Purpose purpose, const std::string& user,
                 const Deadline& deadline) {
    SpawnRequest request;
    request.purpose = purpose;
    if (!request.user.assign(user)) throw FormatError("user name too long");
    SocketPair pair = packet_socket_pair();
    const int theirs = pair.theirs.get();
    send_request(spawner, std::as_bytes(std::span(&request, 1)), std::span(&theirs, 1), deadline);
    return std::move(pair.ours);
}

/// One question on a channel, and its answer; nullopt if its agent is gone. Throws FormatError with the
/// spawner's words if there is none to be had.
template <class Answer, class Request>
std::optional<ReceivedStruct<Answer>> ask_on(int socket, const Request& request, const Deadline& deadline) {
    static_assert(sizeof(Answer) != sizeof(DeliveryAnswer));
    try {
        send_struct(socket, request);
    } catch (const PeerGone&) {
        // It may have been told why before.
    }
    alignas(Answer) std::byte buffer[std::max(sizeof(Answer), sizeof(DeliveryAnswer))];
    auto packet = receive_packet(socket, buffer, deadline);
    if (!packet) return std::nullopt;
    if (packet->size == sizeof(DeliveryAnswer)) {
        DeliveryAnswer refusal;
        std::memcpy(static_cast<void*>(&refusal), buffer, sizeof refusal);
        throw FormatError(result_of(refusal).reply.line());
    }
    ReceivedStruct<Answer> answer{};
    if (packet->size != sizeof answer.value) throw FormatError("an answer that makes no sense");
    std::memcpy(static_cast<void*>(&answer.value), buffer, sizeof answer.value);
    if (answer.value.magic != Answer::expected_magic) throw FormatError("an answer that makes no sense");
    answer.descriptors = std::move(packet->descriptors);
    return answer;
}

bool fill_request(DeliveryRequest& request, const MailboxDelivery& delivery) {
    request.folder = static_cast<std::uint8_t>(delivery.folder);
    return request.id.assign(delivery.id) && request.sender.assign(delivery.sender.to_string()) &&
           request.recipient.assign(delivery.recipient.to_string());
}

}  // namespace

/// One call of deliver(): what was asked, and what has come of it.
struct AgentChannels::Call {
    const std::vector<MailboxDelivery>& deliveries;
    int message;
    Deadline deadline;
    std::uint64_t started;                ///< channels used since then are in use
    std::vector<DeliveryResult> results;  ///< deferred until we know better
    std::vector<unsigned> tries;
    std::deque<std::size_t> waiting;  ///< indices not sent yet
    unsigned timeouts = 0;            ///< of agents that were waited for
};

/// The requests that go to one user's agent together.
struct AgentChannels::AgentBatch {
    AgentName agent;
    std::vector<std::size_t> requests;  ///< indices; the first `sent` of them were sent
    std::size_t sent = 0;
    bool gone = false;  ///< the agent takes no more
};

AgentChannels::AgentChannels(int spawner, Milliseconds patience, Seconds command_timeout,
                             Milliseconds avoidance)
    : spawner_(spawner), patience_(patience), command_timeout_(command_timeout), avoidance_(avoidance) {}

bool AgentChannels::is_avoided(const AgentName& agent) {
    const auto found = avoided_.find(agent);
    if (found == avoided_.end()) return false;
    if (!found->second.passed()) return true;
    avoided_.erase(found);
    return false;
}

void AgentChannels::avoid(const AgentName& agent) {
    if (avoidance_ <= Milliseconds(0)) return;
    if (avoided_.size() >= most_avoided) avoided_.clear();
    avoided_.insert_or_assign(agent, Deadline::after(avoidance_));
}

/// Halved with each agent that is silent now: the owner of many of them must not hold this process for long.
Milliseconds AgentChannels::patience() const {
    constexpr std::size_t most_halved = 4;
    return patience_ / (1 << std::min(avoided_.size(), most_halved));
}

std::vector<DeliveryResult> AgentChannels::deliver(const std::vector<MailboxDelivery>& deliveries,
                                                   int message) {
    auto unanswered = deferred("4.3.0", "Local delivery did not answer");
    unanswered.is_unanswered = true;
    Call call{deliveries, message, Deadline::after(patience()), 0, {deliveries.size(), unanswered}, {}, {}};
    call.tries.resize(deliveries.size());
    for (std::size_t i = 0; i < deliveries.size(); ++i)
        if (!is_avoided(agent_for(deliveries[i]))) call.waiting.push_back(i);

    while (!call.waiting.empty() && call.timeouts < most_timeouts) {
        call.started = ++uses_;
        call.deadline = Deadline::after(patience());
        auto batches = next_batches(call);
        // All agents work at the same time: everything is sent before the first answer is awaited.
        for (auto step : {&AgentChannels::send, &AgentChannels::collect})
            for (AgentBatch& batch : batches) try {
                    (this->*step)(call, batch);
                } catch (const Timeout&) {
                    give_up(call, batch, unanswered);
                    avoid(batch.agent);
                    ++call.timeouts;
                    batch.requests.clear();
                } catch (const std::exception& e) {
                    give_up(call, batch, deferred("4.3.0", "Local delivery: " + in_plain_words(e)));
                    batch.requests.clear();
                }
    }
    return std::move(call.results);
}

/// A late answer must never be taken for that to a later request: the channel goes.
void AgentChannels::give_up(Call& call, const AgentBatch& batch, const DeliveryResult& why) {
    channels_.erase(batch.agent);
    for (const std::size_t i : batch.requests)
        if (call.results[i].outcome == DeliveryResult::Outcome::deferred) call.results[i] = why;
}

/// Takes from what waits, in order, as much as may be under way at a time.
std::vector<AgentChannels::AgentBatch> AgentChannels::next_batches(Call& call) const {
    std::vector<AgentBatch> batches;
    std::deque<std::size_t> later;
    for (const std::size_t i : call.waiting) {
        const AgentName agent = agent_for(call.deliveries[i]);
        auto batch = std::find_if(batches.begin(), batches.end(),
                                  [&](const AgentBatch& f) { return f.agent == agent; });
        if (batch == batches.end() && batches.size() < most_channels)
            batch = batches.insert(batches.end(), AgentBatch{agent, {}});
        if (batch == batches.end() || batch->requests.size() == most_unanswered)
            later.push_back(i);
        else
            batch->requests.push_back(i);
    }
    call.waiting = std::move(later);
    return batches;
}

AgentChannels::AgentName AgentChannels::agent_for(const MailboxDelivery& delivery) {
    if (delivery.domain.empty()) return {SpawnRequest::Purpose::mailbox, delivery.user};
    return {SpawnRequest::Purpose::virtual_mailbox, delivery.user + "@" + delivery.domain};
}

AgentChannels::Channel& AgentChannels::channel_to(const AgentName& agent, const Deadline& deadline) {
    if (const auto known = channels_.find(agent); known != channels_.end()) return known->second;
    while (channels_.size() >= most_channels) {
        const auto oldest = std::min_element(
            channels_.begin(), channels_.end(),
            [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
        channels_.erase(oldest);
    }
    return channels_[agent] = Channel{request_agent(spawner_, agent.purpose, agent.user, deadline), uses_};
}

void AgentChannels::send(Call& call, AgentBatch& batch) {
    Channel& channel = channel_to(batch.agent, call.deadline);
    channel.last_use = uses_;
    for (const std::size_t i : batch.requests) {
        DeliveryRequest request;
        if (!fill_request(request, call.deliveries[i])) throw FormatError("address too long");
        const auto bytes = std::as_bytes(std::span(&request, 1));
        if (send_before(channel.socket.get(), bytes, call.message, call.deadline) == Sent::gone) {
            batch.gone = true;
            return;
        }
        ++batch.sent;
    }
}

void AgentChannels::collect(Call& call, AgentBatch& batch) {
    if (batch.requests.empty()) return;
    const int socket = channels_.at(batch.agent).socket.get();
    std::size_t answered = 0;
    std::optional<DeliveryAnswer> answer;
    while (answered < batch.sent && (answer = receive_answer(socket, call.deadline)) && answer->for_all == 0)
        call.results[batch.requests[answered++]] = result_of(*answer);
    // The spawner says why there is no agent before it closes the channel: when that failed our send, its
    // answer was there already.
    if (batch.gone && answered == batch.sent) answer = waiting_answer(socket);
    if (answer && answer->for_all != 0) {
        while (answered < batch.requests.size())
            call.results[batch.requests[answered++]] = result_of(*answer);
        batch.sent = answered;
        batch.gone = true;
    }
    if (batch.gone || answered < batch.sent) channels_.erase(batch.agent);
    // Requests that were sent and not answered stay deferred; those never sent go to another agent.
    for (std::size_t k = batch.sent; k < batch.requests.size(); ++k) {
        const std::size_t i = batch.requests[k];
        if (++call.tries[i] < most_tries) call.waiting.push_back(i);
    }
}

DeliveryResult AgentChannels::carry_out(const InstructionDelivery& delivery, int message) try {
    const Target& target = delivery.target;
    InstructionRequest request;
    request.kind = static_cast<std::uint8_t>(target.kind);
    if (!request.id.assign(delivery.id) || !request.sender.assign(delivery.sender.to_string()) ||
        !request.recipient.assign(target.address.to_string()) || !request.alias.assign(target.alias) ||
        !request.instruction.assign(target.instruction))
        return failed("5.3.0", "The instruction, or an address, is too long");
    // The agent itself keeps to command_timeout; what is added is for its start and for its answer.
    const auto deadline =
        Deadline::after(std::chrono::duration_cast<Milliseconds>(command_timeout_) + patience_);
    const auto purpose = target.alias.empty()    ? SpawnRequest::Purpose::instructions
                         : target.domain.empty() ? SpawnRequest::Purpose::alias
                                                 : SpawnRequest::Purpose::domain_alias;
    const std::string& user = target.domain.empty() ? target.user : target.domain;
    const Fd channel = request_agent(spawner_, purpose, user, deadline);
    if (send_before(channel.get(), std::as_bytes(std::span(&request, 1)), message, deadline) == Sent::gone)
        if (const auto answer = waiting_answer(channel.get())) return result_of(*answer);
    const auto answer = receive_answer(channel.get(), deadline);
    return answer ? result_of(*answer) : deferred("4.3.0", "Local delivery ended without an answer");
} catch (const std::exception& error) {
    return deferred("4.3.0", "Local delivery: " + in_plain_words(error));
}

/// As with deliveries: a warm agent may be just leaving, and then another one is asked.
template <class Answer, class Request>
ReceivedStruct<Answer> AgentChannels::ask(const AgentName& agent, const Request& request) {
    if (is_avoided(agent)) throw Timeout("the agent did not answer a moment ago");
    const auto deadline = Deadline::after(std::min(patience(), patience_with_files));
    try {
        for (unsigned tries = 0; tries < most_tries; ++tries) {
            Channel& channel = channel_to(agent, deadline);
            channel.last_use = ++uses_;
            if (auto answer = ask_on<Answer>(channel.socket.get(), request, deadline))
                return std::move(*answer);
            channels_.erase(agent);
        }
    } catch (const Timeout&) {
        channels_.erase(agent);  // a late answer must never be taken for that to a later question
        avoid(agent);
        throw;
    } catch (const std::exception&) {
        channels_.erase(agent);
        throw;
    }
    throw PeerGone("the agent does not answer");
}

UserFile AgentChannels::find_file(const std::string& user, const WantedFile& wanted) try {
    FileRequest request;
    if (!request.extension.assign(wanted.extension)) throw FormatError("extension too long");
    if (!request.alias_file.assign(wanted.alias_file)) throw FormatError("file name too long");
    const auto [answer, descriptors] = ask<FileAnswer>({SpawnRequest::Purpose::mailbox, user}, request);
    UserFile file{static_cast<UserFile::Status>(answer.status), printable(answer.path.str()), "",
                  printable(answer.problem.str())};
    const bool is_found = file.status == UserFile::Status::found;
    if (file.status > UserFile::Status::temporary || is_found != (descriptors.size() == 1))
        throw FormatError("an answer that makes no sense");
    if (is_found) file.text = disk::read_all(descriptors.front().get(), most_delivery_file_octets);
    return file;
} catch (const std::exception& error) {
    return {UserFile::Status::temporary, "files of " + user, "", in_plain_words(error)};
}

DomainEntry AgentChannels::domain_entry(const std::string& domain, const std::string& name) try {
    DomainRequest request;
    if (!request.name.assign(name)) return {};  // nothing has such a name
    const auto [answer, descriptors] = ask<DomainAnswer>({SpawnRequest::Purpose::domain, domain}, request);
    DomainEntry entry{
        static_cast<DomainEntry::Status>(answer.status), {}, {}, printable(answer.problem.str())};
    const std::string user = answer.user.str();
    if (entry.status > DomainEntry::Status::temporary || descriptors.size() > 1 ||
        (!user.empty() && !is_virtual_user_name(user)))
        throw FormatError("an answer that makes no sense");
    if (!user.empty()) entry.user = user;
    entry.is_owner = !user.empty() && answer.is_owner != 0;
    entry.alias_line = answer.alias_line;
    if (!descriptors.empty()) entry.alias = disk::read_all(descriptors.front().get(), most_alias_octets);
    return entry;
} catch (const std::exception& error) {
    return {DomainEntry::Status::temporary, {}, {}, "files of " + domain + ": " + in_plain_words(error)};
}

/// A spawner that has no agent to give answers in its place. That it has no room is no word on the mailbox.
MailboxState AgentChannels::virtual_mailbox(const std::string& user, const std::string& domain) {
    const AgentName agent{SpawnRequest::Purpose::virtual_mailbox, user + "@" + domain};
    if (is_avoided(agent)) return {MailboxState::Status::no_permission, {}};
    const auto deadline = Deadline::after(std::min(patience(), patience_with_obstacles));
    try {
        for (unsigned tries = 0; tries < most_tries; ++tries) {
            Channel& channel = channel_to(agent, deadline);
            channel.last_use = ++uses_;
            const AvailabilityRequest request;
            const bool is_sent =
                send_packet_now(channel.socket.get(), std::as_bytes(std::span(&request, 1))) == Sent::yes;
            const auto answer = is_sent ? receive_answer(channel.socket.get(), deadline)
                                        : waiting_answer(channel.socket.get());
            if (!answer || answer->for_all != 0) channels_.erase(agent);
            if (!answer) continue;
            DeliveryResult result = result_of(*answer);
            if (result.outcome != DeliveryResult::Outcome::deferred || result.reply.status == "4.3.2")
                return {};
            return {MailboxState::Status::unavailable, {std::move(result.reply), ""}};
        }
    } catch (const Timeout&) {
        channels_.erase(agent);  // a late answer must never be taken for that to a later question
        avoid(agent);
    } catch (const std::exception&) {
        channels_.erase(agent);
    }
    return {MailboxState::Status::no_permission, {}};
}

MailboxState DelegatedUserFiles::virtual_mailbox(const std::string& user, const VirtualDomain& domain) {
    MailboxState state = direct_.virtual_mailbox(user, domain);
    if (state.status != MailboxState::Status::no_permission) return state;
    state = channels_.virtual_mailbox(user, domain.name);
    state.unavailable.detail =
        virtual_mailbox_path(config_, user, domain.name) + ": " + state.unavailable.reply.text;
    return state;
}

UserFile DelegatedUserFiles::find(const Account& account, const WantedFile& wanted) {
    UserFile file = direct_.find(account, wanted);
    if (file.status != UserFile::Status::no_permission) return file;
    file = channels_.find_file(account.name, wanted);
    if (file.status == UserFile::Status::no_permission)
        return {UserFile::Status::temporary, file.path, "", account.name + " has no right to look there"};
    return file;
}

namespace {

/// The account whose agent reads the files of the domain, for people.
std::string reader_of(const Config& config, const VirtualDomain& domain) {
    const auto owner = find_login(domain.owner);
    return owner && owner->uid == 0 ? "the account of vhost-user=" + config.vhost_user
                                    : "its owner " + domain.owner;
}

}  // namespace

DomainEntry DelegatedUserFiles::domain_entry(const std::string& folder, const VirtualDomain& domain,
                                             const std::string& name) {
    DomainEntry entry = direct_.domain_entry(folder, domain, name);
    if (entry.status != DomainEntry::Status::no_permission) return entry;
    entry = channels_.domain_entry(domain.name, name);
    if (entry.status == DomainEntry::Status::no_permission) {
        entry.status = DomainEntry::Status::temporary;
        entry.problem += "; mail waits until " + reader_of(config_, domain) + " can read it";
    }
    return entry;
}

}  // namespace postoffice
