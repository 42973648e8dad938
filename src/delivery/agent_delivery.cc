#include "postoffice/delivery/agent_delivery.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

#include "delivery_answer.h"
#include "postoffice/base/error.h"
#include "postoffice/base/overloaded.h"
#include "postoffice/local/agent_protocol.h"

namespace postoffice {
namespace {

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

AgentName agent_for(const MailboxDelivery& delivery) {
    if (delivery.domain.empty()) return {SpawnRequest::Purpose::mailbox, delivery.user};
    return virtual_mailbox_agent(delivery.user, delivery.domain);
}

/// False if it does not fit.
bool fill_request(DeliveryRequest& request, const MailboxDelivery& delivery) {
    request.folder = static_cast<std::uint8_t>(delivery.folder);
    return request.id.assign(delivery.id) && request.sender.assign(delivery.sender.to_string()) &&
           request.recipient.assign(delivery.recipient.to_string());
}

std::string alias_of(const Destination::Source& source) {
    return std::visit(Overloaded{
                          [](const Destination::InUserFile&) { return std::string(); },
                          [](const auto& alias) { return alias.name; },
                      },
                      source);
}

AgentName instruction_agent_for(const Destination& destination) {
    using Purpose = SpawnRequest::Purpose;
    if (auto domain = virtual_domain_of(destination); !domain.empty()) return {Purpose::domain_alias, domain};
    auto user = account_of(destination);
    return {user.empty() ? Purpose::alias : Purpose::instructions, user};
}

}  // namespace

/// One call of deliver(): what was asked, and what has come of it.
struct AgentDelivery::Call {
    const std::vector<MailboxDelivery>& deliveries;
    int message;
    Deadline deadline;
    std::vector<DeliveryResult> results;  ///< deferred until more is known
    std::vector<unsigned> tries;
    std::deque<std::size_t> waiting;  ///< indices not sent yet
    unsigned timeouts = 0;            ///< of agents that were waited for
};

/// The requests that go to one user's agent together.
struct AgentDelivery::AgentBatch {
    AgentName agent;
    std::vector<std::size_t> requests;  ///< indices; the first `sent` of them were sent
    std::size_t sent = 0;
    bool gone = false;  ///< the agent takes no more
    int socket = -1;    ///< of its channel
};

std::vector<DeliveryResult> AgentDelivery::deliver(const std::vector<MailboxDelivery>& deliveries,
                                                   int message) {
    auto unanswered = deferred("4.3.0", "Local delivery did not answer");
    unanswered.is_unanswered = true;
    Call call{deliveries, message, Deadline::after(channels_.patience()), {deliveries.size(), unanswered},
              {},         {}};
    call.tries.resize(deliveries.size());
    for (std::size_t i = 0; i < deliveries.size(); ++i)
        if (!channels_.is_avoided(agent_for(deliveries[i]))) call.waiting.push_back(i);

    while (!call.waiting.empty() && call.timeouts < most_timeouts) {
        call.deadline = Deadline::after(channels_.patience());
        auto batches = next_batches(call);
        // All agents work at the same time: everything is sent before the first answer is awaited.
        for (auto step : {&AgentDelivery::send, &AgentDelivery::collect})
            for (AgentBatch& batch : batches) try {
                    (this->*step)(call, batch);
                } catch (const Timeout&) {
                    give_up(call, batch, unanswered);
                    channels_.avoid(batch.agent);
                    ++call.timeouts;
                    batch.requests.clear();
                } catch (const std::exception& e) {
                    give_up(call, batch, deferred("4.3.0", "Local delivery: " + in_plain_words(e)));
                    batch.requests.clear();
                }
    }
    return std::move(call.results);
}

void AgentDelivery::give_up(Call& call, const AgentBatch& batch, const DeliveryResult& why) {
    channels_.close(batch.agent);
    for (const std::size_t i : batch.requests)
        if (call.results[i].outcome == DeliveryResult::Outcome::deferred) call.results[i] = why;
}

/// Takes from what waits, in order, as much as may be under way at a time.
std::vector<AgentDelivery::AgentBatch> AgentDelivery::next_batches(Call& call) {
    std::vector<AgentBatch> batches;
    std::deque<std::size_t> later;
    for (const std::size_t i : call.waiting) {
        const AgentName agent = agent_for(call.deliveries[i]);
        auto batch = std::find_if(batches.begin(), batches.end(),
                                  [&](const AgentBatch& f) { return f.agent == agent; });
        if (batch == batches.end() && batches.size() < AgentChannels::most_channels)
            batch = batches.insert(batches.end(), AgentBatch{agent, {}});
        if (batch == batches.end() || batch->requests.size() == most_unanswered)
            later.push_back(i);
        else
            batch->requests.push_back(i);
    }
    call.waiting = std::move(later);
    return batches;
}

void AgentDelivery::send(Call& call, AgentBatch& batch) {
    batch.socket = channels_.socket_to(batch.agent, call.deadline);
    for (const std::size_t i : batch.requests) {
        DeliveryRequest request;
        if (!fill_request(request, call.deliveries[i])) throw FormatError("address too long");
        const auto bytes = std::as_bytes(std::span(&request, 1));
        if (send_before(batch.socket, bytes, call.message, call.deadline) == Sent::gone) {
            batch.gone = true;
            return;
        }
        ++batch.sent;
    }
}

void AgentDelivery::collect(Call& call, AgentBatch& batch) {
    if (batch.requests.empty()) return;
    std::size_t answered = 0;
    std::optional<DeliveryAnswer> answer;
    while (answered < batch.sent && (answer = receive_answer(batch.socket, call.deadline)) &&
           answer->for_all == 0)
        call.results[batch.requests[answered++]] = result_of(*answer);
    // The spawner says why there is no agent before it closes the channel: when that failed our send, its
    // answer was there already.
    if (batch.gone && answered == batch.sent) answer = waiting_answer(batch.socket);
    if (answer && answer->for_all != 0) {
        while (answered < batch.requests.size())
            call.results[batch.requests[answered++]] = result_of(*answer);
        batch.sent = answered;
        batch.gone = true;
    }
    if (batch.gone || answered < batch.sent) channels_.close(batch.agent);
    // Requests that were sent and not answered stay deferred; those never sent go to another agent.
    for (std::size_t k = batch.sent; k < batch.requests.size(); ++k) {
        const std::size_t i = batch.requests[k];
        if (++call.tries[i] < AgentChannels::most_tries) call.waiting.push_back(i);
    }
}

DeliveryResult AgentDelivery::carry_out(const InstructionDelivery& delivery, int message) try {
    const Destination& destination = delivery.destination;
    const auto* source = source_of(destination);
    InstructionRequest request;
    request.kind = destination.is<Destination::Program>() ? InstructionRequest::Kind::program
                   : destination.is<Destination::File>()  ? InstructionRequest::Kind::file
                                                          : InstructionRequest::Kind::instructions;
    if (!request.id.assign(delivery.id) || !request.sender.assign(delivery.sender.to_string()) ||
        !request.recipient.assign(destination.address.to_string()) ||
        !request.alias.assign(source == nullptr ? "" : alias_of(*source)) ||
        !request.instruction.assign(instruction_of(destination)))
        return failed("5.3.0", "The instruction, or an address, is too long");
    const auto deadline = channels_.instruction_deadline();
    const AgentSocket channel = channels_.open(instruction_agent_for(destination), deadline);
    if (send_before(channel.get(), std::as_bytes(std::span(&request, 1)), message, deadline) == Sent::gone)
        if (const auto answer = waiting_answer(channel.get())) return result_of(*answer);
    const auto answer = receive_answer(channel.get(), deadline);
    return answer ? result_of(*answer) : deferred("4.3.0", "Local delivery ended without an answer");
} catch (const std::exception& error) {
    return deferred("4.3.0", "Local delivery: " + in_plain_words(error));
}

}  // namespace postoffice
