#include "postoffice/delivery/agent_channel.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/delivery/agent_protocol.h"

namespace postoffice {
namespace {

/// A fresh channel, too, may meet an agent that is just about to leave.
constexpr unsigned most_tries = 3;

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
    if (arrival.kind != Arrival::Kind::packet || arrival.packet.size != sizeof answer) return std::nullopt;
    return answer;
}

bool fill_request(DeliveryRequest& request, const MailboxDelivery& delivery) {
    request.forbidden.assign_cut(delivery.forbidden);
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
};

/// The requests that go to one user's agent together.
struct AgentChannels::Flight {
    std::string user;
    std::vector<std::size_t> requests;  ///< indices; the first `sent` of them were sent
    std::size_t sent = 0;
    bool gone = false;  ///< the agent takes no more
};

AgentChannels::AgentChannels(int spawner, Milliseconds patience) : spawner_(spawner), patience_(patience) {}

std::vector<DeliveryResult> AgentChannels::deliver(const std::vector<MailboxDelivery>& deliveries,
                                                   int message) {
    const auto unanswered = deferred("4.3.0", "Local delivery did not answer");
    Call call{deliveries, message, Deadline::after(patience_), 0, {deliveries.size(), unanswered}, {}, {}};
    call.tries.resize(deliveries.size());
    for (std::size_t i = 0; i < deliveries.size(); ++i) call.waiting.push_back(i);

    while (!call.waiting.empty()) {
        call.started = ++uses_;
        auto flights = next_flights(call);
        // All agents work at the same time: everything is sent before the first answer is awaited.
        for (auto step : {&AgentChannels::send, &AgentChannels::collect})
            for (Flight& flight : flights) try {
                    (this->*step)(call, flight);
                } catch (const std::exception& e) {
                    // A late answer must never be taken for that to a later request: the channel goes.
                    channels_.erase(flight.user);
                    for (const std::size_t i : flight.requests)
                        if (call.results[i].outcome == DeliveryResult::Outcome::deferred)
                            call.results[i] = deferred("4.3.0", std::string("Local delivery: ") + e.what());
                    flight.requests.clear();
                }
    }
    return std::move(call.results);
}

/// Takes from what waits, in order, as much as may be under way at a time.
std::vector<AgentChannels::Flight> AgentChannels::next_flights(Call& call) const {
    std::vector<Flight> flights;
    std::deque<std::size_t> later;
    for (const std::size_t i : call.waiting) {
        const std::string& user = call.deliveries[i].user;
        auto flight =
            std::find_if(flights.begin(), flights.end(), [&](const Flight& f) { return f.user == user; });
        if (flight == flights.end() && flights.size() < most_channels)
            flight = flights.insert(flights.end(), Flight{user, {}});
        if (flight == flights.end() || flight->requests.size() == most_unanswered)
            later.push_back(i);
        else
            flight->requests.push_back(i);
    }
    call.waiting = std::move(later);
    return flights;
}

AgentChannels::Channel& AgentChannels::channel_to(const std::string& user, const Call& call) {
    if (const auto known = channels_.find(user); known != channels_.end()) return known->second;
    while (channels_.size() >= most_channels) {
        const auto oldest = std::min_element(
            channels_.begin(), channels_.end(),
            [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
        channels_.erase(oldest);
    }
    SpawnRequest request;
    if (!request.user.assign(user)) throw FormatError("user name too long");
    SocketPair pair = packet_socket_pair();
    if (send_before(spawner_, std::as_bytes(std::span(&request, 1)), pair.theirs.get(), call.deadline) ==
        Sent::gone)
        throw PeerGone("the spawner is gone");
    return channels_[user] = Channel{std::move(pair.ours), uses_};
}

void AgentChannels::send(Call& call, Flight& flight) {
    Channel& channel = channel_to(flight.user, call);
    channel.last_use = uses_;
    for (const std::size_t i : flight.requests) {
        DeliveryRequest request;
        if (!fill_request(request, call.deliveries[i])) throw FormatError("address too long");
        const auto bytes = std::as_bytes(std::span(&request, 1));
        if (send_before(channel.socket.get(), bytes, call.message, call.deadline) == Sent::gone) {
            flight.gone = true;
            return;
        }
        ++flight.sent;
    }
}

void AgentChannels::collect(Call& call, Flight& flight) {
    if (flight.requests.empty()) return;
    const int socket = channels_.at(flight.user).socket.get();
    std::size_t answered = 0;
    std::optional<DeliveryAnswer> answer;
    while (answered < flight.sent && (answer = receive_answer(socket, call.deadline)) && answer->for_all == 0)
        call.results[flight.requests[answered++]] = result_of(*answer);
    // The spawner says why there is no agent before it closes the channel: when that failed our send, its
    // answer was there already.
    if (flight.gone && answered == flight.sent) answer = waiting_answer(socket);
    if (answer && answer->for_all != 0) {
        while (answered < flight.requests.size())
            call.results[flight.requests[answered++]] = result_of(*answer);
        flight.sent = answered;
        flight.gone = true;
    }
    if (flight.gone || answered < flight.sent) channels_.erase(flight.user);
    // Requests that were sent and not answered stay deferred; those never sent go to another agent.
    for (std::size_t k = flight.sent; k < flight.requests.size(); ++k) {
        const std::size_t i = flight.requests[k];
        if (++call.tries[i] < most_tries) call.waiting.push_back(i);
    }
}

}  // namespace postoffice
