#include "postoffice/delivery/dispatcher.h"

#include <algorithm>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"

namespace postoffice {
namespace {

constexpr std::size_t most_read_at_once = 20;  // of a backlog, before others have their turn
constexpr std::size_t most_remembered = 5000;  // destinations; of more only those at work

}  // namespace

Dispatcher::Dispatcher(const Config& config, const Spool& spool, Bouncer& bouncer, Events events,
                       Milliseconds slow)
    : config_(config),
      spool_(spool),
      events_(std::move(events)),
      slow_(slow),
      division_(config, events_, destinations_),
      settlement_(config, bouncer, events_),
      pools_{AgentPool(config, AgentPool::Kind::remote, events_, slow),
             AgentPool(config, AgentPool::Kind::local, events_, slow)} {}

// ---- messages

bool Dispatcher::start(const std::string& id) try {
    return begin(id);
} catch (const std::system_error& error) {
    log_event(id, "not-attempted", {{"reason", error.what()}});
    return false;
}

bool Dispatcher::begin(const std::string& id) {
    std::optional<QueueEntry> entry = spool_.take(id);
    if (!entry) return false;
    if (entry->journal().held) return false;
    const Scheduling& scheduling = entry->journal().envelope.parameters.scheduling;
    if (scheduling.release > now_unix()) {
        wait_for_release(*entry);
        return true;
    }
    const Parts again = division_.to_route_again(entry->journal());
    bool is_withheld = false;
    const Parts parts = again.empty() ? division_.parts_for_now(entry->journal(), is_withheld) : again;
    if (is_withheld && parts.empty()) return false;
    const bool is_too_late = scheduling.must_be_returned(now_unix());
    if (!is_too_late && is_postponed(parts, entry->journal())) return true;
    std::string owner = MessageShares::owner_of(entry->journal().envelope.origin);
    if (!shares_.has_share(owner, places_left())) {
        shares_.add_waiting(owner, id, parts.size() == 1 ? parts.begin()->first.to_string() : "");
        return true;
    }
    shares_.begin(owner);
    ActiveMessage& message =
        active_.emplace(id, ActiveMessage{std::move(*entry), std::move(owner)}).first->second;
    message.waiting = message.entry.journal().waiting();
    message.is_withheld = is_withheld;
    message.is_routed = again.empty();
    hand_out(message, is_too_late ? Parts() : parts);
    return true;
}

/// The first look at a message that its sender wants held (RFC 4865).
void Dispatcher::wait_for_release(QueueEntry& entry) {
    const UnixTime release = entry.journal().envelope.parameters.scheduling.release;
    if (entry.journal().next_attempt != release) entry.set_due(release);
    events_.on_deferred(entry.id(), release);
}

/// Its only destination has enough to do: the message waits there, neither open nor locked.
bool Dispatcher::is_postponed(const Parts& parts, const Journal& journal) {
    if (parts.size() != 1) return false;
    const auto& [key, part] = *parts.begin();
    DestinationQueue& destination = place_of(key, part.account)->second;
    const int priority = journal.envelope.parameters.scheduling.priority;
    if (destination.has_room() || destination.goes_ahead(priority)) return false;
    join_by_priority(destination.backlog, {journal.id, priority});
    return true;
}

/// The message may be settled, and gone, when this returns.
void Dispatcher::hand_out(ActiveMessage& message, const Parts& parts) {
    const bool routes_again = !message.is_routed;
    for (const auto& [key, part] : parts) {
        std::deque<DeliveryJob>& waiting = place_of(key, part.account)->second.waiting;
        const int priority = message.entry.journal().envelope.parameters.scheduling.priority;
        for (std::size_t from = 0; from < part.recipients.size(); from += QueueJob::most_recipients) {
            const auto begin = part.recipients.begin() + static_cast<std::ptrdiff_t>(from);
            const auto count = std::min(QueueJob::most_recipients, part.recipients.size() - from);
            const auto end = begin + static_cast<std::ptrdiff_t>(count);
            join_by_priority(waiting, {&message, {begin, end}, routes_again, priority});
            ++message.jobs_left;
        }
    }
    if (message.jobs_left == 0) return settle(message);
    for (const auto& [key, part] : parts) dispatch(destinations_.find(key));
}

void Dispatcher::settle_job(const DeliveryJob& job, const DeliveryResult& result) {
    settlement_.record(job, result);
    finish(job);
}

void Dispatcher::defer_job(const DeliveryJob& job, const std::string& why) {
    settle_job(job, deferred("4.4.1", why));
}

void Dispatcher::finish(const DeliveryJob& job) {
    ActiveMessage& message = *job.message;
    if (--message.jobs_left != 0) return;
    if (std::exchange(message.is_routed, true) || stopping_) return settle(message);
    hand_out(message, division_.parts_for_now(message.entry.journal(), message.is_withheld));
}

void Dispatcher::settle(ActiveMessage& message) {
    const std::string id = message.entry.id();
    const bool is_withheld = message.is_withheld;
    const std::optional<UnixTime> due = settlement_.settle(message, stopping_);
    release(id);
    if (!due)
        events_.on_finished(id);
    else if (is_withheld)
        events_.on_gone(id);
    else
        events_.on_deferred(id, *due);
}

void Dispatcher::release(const std::string& id) {
    const auto message = active_.find(id);
    shares_.end(message->second.owner);
    active_.erase(message);
}

void Dispatcher::read_shares() {
    for (const std::string& owner : shares_.owners_waiting())
        for (std::size_t n = 0; n < most_read_at_once && has_room(); ++n) {
            const auto id = shares_.next(owner, places_left());
            if (!id) break;
            if (!start(*id)) events_.on_gone(*id);
        }
}

// ---- destinations

Dispatcher::Place Dispatcher::place_of(const DestinationKey& key, const std::string& account) {
    const auto [place, is_new] = destinations_.try_emplace(key);
    if (!is_new) return place;
    place->second.account = account;
    place->second.agents_set = config_.remote.usual.destination_agents;
    if (!key.is_local) place->second.follow(config_.remote.transport(key.next_hop.transport));
    return place;
}

void Dispatcher::dispatch(Place place) {
    DestinationQueue& destination = place->second;
    AgentPool& pool = pool_of(place);
    while (!destination.waiting.empty()) {
        DeliveryJob job = std::move(destination.waiting.front());
        destination.waiting.pop_front();
        if (stopping_) {
            finish(job);
        } else if (destination.is_down()) {
            settlement_.postpone(job, destination);
            finish(job);
        } else if (!destination.may_begin()) {
            destination.waiting.push_front(std::move(job));
            return;
        } else if (Agent* agent = pool.free_agent(place)) {
            destination.note_begin();
            hand_over(*agent, job);
        } else {
            destination.waiting.push_front(std::move(job));
            if (destination.is_down()) continue;  // since no agent could be started
            const bool is_local = place->first.is_local;
            pool.join_line(place,
                           is_local ? destination.account : destination.waiting.front().message->owner);
            return;
        }
    }
    read_backlog(place);
}

/// A message that had to wait outside; else, if an agent has a connection and nothing to do, one that waits
/// for a share of its owner: a queue of a thousand destinations is drained with a connection for each, not
/// for each message.
std::optional<std::string> Dispatcher::next_from_outside(Place place) {
    DestinationQueue& destination = place->second;
    if (!has_room() || !destination.has_room()) return std::nullopt;
    if (!destination.backlog.empty()) {
        std::string id = std::move(destination.backlog.front().id);
        destination.backlog.pop_front();
        return id;
    }
    const bool has_use = destination.waiting.empty() && destination.may_begin() && !stopping_ &&
                         pool_of(place).has_idle_connection(place);
    return has_use ? shares_.next_for(place->first.to_string(), places_left()) : std::nullopt;
}

// Starting a message may dispatch this destination again (it is down, say): the loop goes on here, not one
// level deeper each time. It makes pauses, since what is deferred at once may be twenty thousand messages.
void Dispatcher::read_backlog(Place place) {
    DestinationQueue& destination = place->second;
    if (destination.is_reading_backlog) return;
    destination.is_reading_backlog = true;
    for (std::size_t n = 0; n < most_read_at_once; ++n) {
        const auto id = next_from_outside(place);
        if (!id) break;
        if (!start(*id)) events_.on_gone(*id);
    }
    destination.is_reading_backlog = false;
    if (!destination.backlog.empty() && destination.has_room() && !std::exchange(destination.is_unread, true))
        unread_.push_back(place);
}

bool Dispatcher::can_go_on() const {
    if (!has_room() || stopping_) return false;
    return !unread_.empty() || shares_.can_go_on(places_left());
}

void Dispatcher::go_on() {
    read_shares();
    for (std::size_t n = unread_.size(); n > 0 && has_room(); --n) {
        const Place place = unread_.front();
        unread_.pop_front();
        place->second.is_unread = false;
        dispatch(place);
    }
}

void Dispatcher::forget_down_destinations() {
    for (auto& [key, destination] : destinations_) destination.down_until = {};
}

/// Destinations with a rate, for which the time of the next job has come.
void Dispatcher::serve_rated() {
    for (auto place = destinations_.begin(); place != destinations_.end(); ++place)
        if (place->second.rate.most != 0 && !place->second.waiting.empty()) dispatch(place);
}

// ---- agents

void Dispatcher::serve_line(AgentPool& pool) {
    while (const auto place = pool.next_in_line()) dispatch(*place);
}

void Dispatcher::hand_over(Agent& agent, const DeliveryJob& job) {
    QueueEntry& entry = job.message->entry;
    try {
        entry.make_room_for_results(job.recipients.size());
    } catch (const std::system_error& error) {
        // What is delivered and cannot be noted would be delivered again and again.
        return defer_job(job, std::string("the journal cannot be written: ") + error.what());
    }
    try {
        AgentPool::send(agent, job, events_.status_writer_of(entry.id()));
    } catch (const PeerGone&) {
        // The end of its channel removes the agent from the pool; this part is tried again by schedule.
        defer_job(job, "the delivery process ended");
    } catch (const std::system_error& error) {
        log_event(entry.id(), "message-unreadable", {{"reason", error.what()}});
        if (error.code() == std::errc::no_such_file_or_directory)
            settle_job(job, failed("5.3.0", "the text of the message was lost on this host"));
        else
            defer_job(job, "the message could not be read");
    }
}

bool Dispatcher::serve(int channel) {
    for (AgentPool& pool : pools_)
        if (const auto agent = pool.with_channel(channel)) {
            agent_answered(pool, *agent);
            return true;
        }
    return false;
}

void Dispatcher::agent_answered(AgentPool& pool, AgentPool::Agents::iterator agent) {
    const Place place = agent->place;
    DestinationQueue& destination = place->second;
    const auto answer = receive_struct_now<QueueJobDone>(agent->worker.channel.get());
    if (answer.kind == PacketArrival::Kind::nothing) return;
    std::optional<DeliveryJob> job = std::exchange(agent->job, std::nullopt);
    if (answer.kind != PacketArrival::Kind::packet) return agent_ended(pool, agent, std::move(job));
    ++agent->jobs_done;
    agent->worker.idle_since = AgentPool::Clock::now();
    const bool is_down = answer.value.destination_is_down != 0;
    const bool is_unrecorded = is_down && answer.value.is_unrecorded != 0;
    if (job) destination.learn_pace(pool.time_of_job(*agent), slow_, !is_down);
    if (job && is_unrecorded && !stopping_ && pool.may_pass_on(*agent, !answer.value.by.str().empty()))
        return pass_on(pool, agent, std::move(*job));
    if (is_down) destination.note_down(answer.value.why_down());
    if (job && !is_down) destination.let_grow();
    agent->was_connected = !is_down;
    const bool gives_way = pool.must_give_way(*agent);
    if (job) {
        job->message->entry.reload();
        job->message->was_tried |= !job->routes_again;
        be_patient_with_slow(*job, answer.value);
        if (is_unrecorded)
            settle_job(*job, destination.why_down);
        else
            finish(*job);
    }
    if (gives_way) serve_line(pool);
    dispatch(place);
    serve_line(pool);  // if it needs its agent no more
}

/// An agent that was asked to end has tried nothing of what it has not recorded.
void Dispatcher::agent_ended(AgentPool& pool, AgentPool::Agents::iterator agent,
                             std::optional<DeliveryJob> job) {
    const Place place = agent->place;
    const bool was_asked = agent->is_ending || stopping_;
    if (!was_asked)
        log_event("", "queue-agent-ended",
                  {{"child", std::to_string(agent->worker.pid)}, {"domain", place->first.to_string()}});
    if (job && agent->is_ending) place->second.learn_pace(pool.time_of_job(*agent), slow_, false);
    pool.remove(agent);
    if (job) {
        job->message->entry.reload();
        if (stopping_) {
            finish(*job);
        } else if (was_asked) {
            place->second.waiting.push_front(std::move(*job));
        } else {
            job->message->was_tried |= !job->routes_again;
            defer_job(*job, "the delivery process ended");
        }
    }
    serve_line(pool);
    dispatch(place);
    serve_line(pool);
}

/// Recipients whose agents did not answer soon get an agent that waits for one of them alone.
void Dispatcher::be_patient_with_slow(const DeliveryJob& job, const QueueJobDone& answer) {
    ActiveMessage& message = *job.message;
    std::vector<Place> places;
    for (std::size_t i = 0; i < job.recipients.size(); ++i) {
        if (answer.is_slow[i] == 0) continue;
        const auto [key, account] = division_.slow_mailbox(
            message.entry.journal().envelope.recipients[job.recipients[i]].destination);
        const Place own = place_of(key, account);
        own->second.is_patient = true;
        own->second.waiting.push_back({&message, {job.recipients[i]}});
        ++message.jobs_left;
        places.push_back(own);
    }
    for (const Place place : places) dispatch(place);
}

/// The other agents of the destination take the job; for a while there are no more of them.
void Dispatcher::pass_on(AgentPool& pool, AgentPool::Agents::iterator refused, DeliveryJob job) {
    const Place place = refused->place;
    DestinationQueue& destination = place->second;
    pool.remove(refused);
    destination.limit_agents();
    log_event(job.message->entry.id(), "passed-on",
              {{"domain", place->first.to_string()}, {"connections", std::to_string(destination.agents)}});
    destination.waiting.push_front(std::move(job));
    dispatch(place);
    serve_line(pool);
}

void Dispatcher::add_poll_entries(std::vector<pollfd>& entries) const {
    for (const AgentPool& pool : pools_) pool.add_poll_entries(entries);
}

void Dispatcher::end_idle_agents() {
    serve_rated();
    pools_[0].make_way();
    for (AgentPool& pool : pools_) pool.end_idle();
    const auto now = DestinationQueue::Clock::now();
    const bool is_remembered = destinations_.size() <= most_remembered;
    std::erase_if(destinations_, [&](const auto& entry) {
        const auto& [key, destination] = entry;
        return destination.is_idle() && (key.is_local || !is_remembered || now >= destination.pace_until);
    });
}

void Dispatcher::stop() {
    stopping_ = true;
    for (auto& [key, destination] : destinations_) destination.backlog.clear();
    shares_.clear_waiting();
    for (auto place = destinations_.begin(); place != destinations_.end(); ++place) dispatch(place);
    for (AgentPool& pool : pools_) pool.stop();
}

}  // namespace postoffice
