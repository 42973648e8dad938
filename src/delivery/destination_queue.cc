#include "postoffice/delivery/destination_queue.h"

namespace postoffice {
namespace {

using namespace std::chrono_literals;

constexpr auto down_time = 60s;     // after no host of a destination could be reached
constexpr auto limit_time = 10min;  // that a host's limit of connections is remembered
constexpr auto slow_is_remembered = 1h;
constexpr auto quick_is_remembered = 24h;

}  // namespace

void DestinationQueue::note_down(const DeliveryResult& why) {
    down_until = Clock::now() + down_time;
    down_since = now_unix();
    why_down = why;
    most_agents = 1;
}

void DestinationQueue::follow(const Transport& transport) {
    agents_set = transport.destination_agents;
    rate = transport.destination_rate;
    most_agents = first_agents;
}

bool DestinationQueue::has_room() const {
    const std::size_t most = pace == Pace::quick && rate.most == 0 ? most_waiting : 1;
    return waiting.size() < most;
}

void DestinationQueue::note_begin() {
    if (rate.most == 0) return;
    constexpr Clock::duration burst = 1s;
    const auto interval = Clock::duration(rate.window) / rate.most;
    next_job = std::max(next_job, Clock::now() - burst) + interval;
}

void DestinationQueue::let_grow() {
    if (most_agents < agents_set && Clock::now() >= limited_until) ++most_agents;
}

void DestinationQueue::limit_agents() {
    most_agents = agents;
    limited_until = Clock::now() + limit_time;
}

void DestinationQueue::learn_pace(Clock::duration time, Clock::duration slow, bool was_reached) {
    const bool was_slow = time > slow;
    if (!was_slow && !was_reached) return;
    pace = was_slow ? Pace::slow : Pace::quick;
    pace_until = Clock::now() + (was_slow ? Clock::duration(slow_is_remembered) : quick_is_remembered);
}

bool DestinationQueue::is_idle() const {
    return agents == 0 && waiting.empty() && backlog.empty() && !is_down() &&
           Clock::now() >= std::max(limited_until, next_job) && !is_in_line && !is_unread;
}

Pace pace_of(const DestinationQueues::value_type& destination) {
    const auto& [key, queue] = destination;
    if (!key.is_local) return queue.pace;
    return key.local_name.empty() ? Pace::quick : Pace::slow;
}

}  // namespace postoffice
