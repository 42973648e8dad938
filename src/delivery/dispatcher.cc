#include "postoffice/delivery/dispatcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/text.h"
#include "postoffice/delivery/retry.h"

namespace postoffice {
namespace {

constexpr std::size_t most_waiting = 40;        // jobs of one destination with an open message each
constexpr std::size_t most_read_at_once = 20;   // of a backlog, before others have their turn
constexpr std::chrono::minutes limit_time{10};  // that a host's limit of connections is remembered
constexpr UnixTime fresh =
    60;  // what was routed so lately is tried, or postponed, as it stands the first time

DeliveryResult result_in(const QueueJobDone& answer) {
    return {DeliveryResult::Outcome::deferred,
            {answer.code, answer.status.str(), answer.why.str()},
            answer.by.str()};
}

}  // namespace

Dispatcher::Dispatcher(const Config& config, const Spool& spool, Bouncer& bouncer, Events events,
                       Milliseconds slow)
    : config_(config), spool_(spool), bouncer_(bouncer), events_(std::move(events)), slow_(slow) {}

Dispatcher::Key Dispatcher::key_of(const Destination& destination) const {
    if (destination.is<Destination::Discard>()) return {true, ""};
    if (destination.is_mailbox()) {
        // One that did not answer soon has agents of its own, which wait for it.
        const Key own{true, "mailbox " + describe(destination)};
        return destinations_.contains(own) ? own : Key{true, ""};
    }
    if (destination.is<Destination::Unrouted>()) return {true, "unrouted " + destination.address.to_string()};
    if (destination.is<Destination::Remote>())
        return {false, config_.remote.relay_host ? "" : destination.address.domain()};
    // A slow program delays only other mail of the same account or alias.
    const auto* source = source_of(destination);
    return {true, source != nullptr ? describe(*source) : account_of(destination)};
}

/// The account whose rights a local agent gets for it, or whose files it reads.
std::string Dispatcher::account_for(const Destination& destination) const {
    if (destination.is<Destination::Discard>()) return "";
    if (destination.is<Destination::Unrouted>()) return account_for(destination.address);
    if (auto domain = virtual_domain_of(destination); !domain.empty()) return events_.owner_of(domain);
    const auto* source = source_of(destination);
    const bool is_in_alias = source != nullptr && std::holds_alternative<Destination::InHostAlias>(*source);
    return is_in_alias ? config_.routing.alias_user : account_of(destination);
}

std::string Dispatcher::account_for(const Address& address) const {
    if (std::string owner = events_.owner_of(address.domain()); !owner.empty()) return owner;
    const std::string& name = address.local_part();
    return to_lower(name.substr(0, name.find_first_of(config_.routing.recipient_delimiter, 1)));
}

Dispatcher::DestinationQueue& Dispatcher::queue_for(const Key& key, const std::string& account) {
    const auto [place, is_new] = destinations_.try_emplace(key);
    if (is_new && !key.domain.empty() && key.is_local) place->second.account = account;
    return place->second;
}

Dispatcher::Parts Dispatcher::divide(const QueueEntry& entry) {
    Parts parts;
    const Journal& journal = entry.journal();
    for (std::uint32_t i = 0; i < journal.recipients.size(); ++i) {
        if (journal.recipients[i].status != RecipientState::Status::waiting) continue;
        const Destination& destination = journal.envelope.recipients[i].destination;
        const Key key = key_of(destination);
        if (key.is_local && !key.domain.empty() && !parts.contains(key))
            queue_for(key, account_for(destination));
        parts[key].push_back(i);
    }
    return parts;
}

/// Without recipients at other hosts where these have to wait for a queue run.
Dispatcher::Parts Dispatcher::parts_for_now(const QueueEntry& entry, bool& is_withheld) {
    Parts parts = divide(entry);
    is_withheld = !events_.may_leave(entry.journal()) &&
                  std::erase_if(parts, [](const auto& part) { return !part.first.is_local; }) > 0;
    return parts;
}

/// All of them together, so that one process at a time adds recipients to the journal. The place of the first
/// one's address: a user whose files are slow to read delays no mail of other users.
Dispatcher::Parts Dispatcher::to_route_again(const QueueEntry& entry) {
    Parts parts;
    const Journal& journal = entry.journal();
    const bool is_fresh = now_unix() - journal.envelope.arrived < fresh;
    std::vector<std::uint32_t> found;
    for (std::uint32_t i = 0; i < journal.recipients.size(); ++i) {
        const RecipientState& state = journal.recipients[i];
        const Recipient& recipient = journal.envelope.recipients[i];
        const bool is_first_attempt = state.last.reply.text.empty() && is_fresh;
        if (state.status == RecipientState::Status::waiting && !is_first_attempt &&
            !recipient.destination.is<Destination::Unrouted>() && events_.is_ours(recipient.original))
            found.push_back(i);
    }
    if (found.empty()) return parts;
    const Address& first = journal.envelope.recipients[found.front()].original;
    const Key key{true, "routing " + first.to_string()};
    queue_for(key, account_for(first));
    parts[key] = found;
    return parts;
}

bool Dispatcher::start(const std::string& id) {
    std::optional<QueueEntry> entry = spool_.take(id);
    if (!entry) return false;
    if (entry->journal().held) return false;
    const Parts again = to_route_again(*entry);
    bool is_withheld = false;
    const Parts parts = again.empty() ? parts_for_now(*entry, is_withheld) : again;
    if (is_withheld && parts.empty()) return false;
    if (is_postponed(parts, id)) return true;
    std::string owner = owner_of(entry->journal().envelope.origin);
    Share& share = shares_[owner];
    if (!has_share(owner)) {
        share.backlog.push_back(id);
        return true;
    }
    ++share.active;
    ActiveMessage& message =
        active_.emplace(id, ActiveMessage{std::move(*entry), std::move(owner)}).first->second;
    message.waiting = message.entry.journal().waiting();
    message.is_withheld = is_withheld;
    message.is_routed = again.empty();
    hand_out(message, parts);
    return true;
}

bool Dispatcher::has_room_for_jobs(const DestinationQueue& destination) {
    return destination.waiting.size() < (destination.pace == Pace::slow ? 1 : most_waiting);
}

/// Its only destination has enough to do: the message waits there, neither open nor locked.
bool Dispatcher::is_postponed(const Parts& parts, const std::string& id) {
    if (parts.size() != 1) return false;
    DestinationQueue& destination = destinations_[parts.begin()->first];
    if (has_room_for_jobs(destination)) return false;
    destination.backlog.push_back(id);
    return true;
}

/// The message may be settled, and gone, when this returns.
void Dispatcher::hand_out(ActiveMessage& message, const Parts& parts) {
    const bool routes_again = !message.is_routed;
    for (const auto& [key, recipients] : parts) {
        std::deque<Job>& waiting = destinations_[key].waiting;
        for (std::size_t from = 0; from < recipients.size(); from += QueueJob::most_recipients) {
            const auto begin = recipients.begin() + static_cast<std::ptrdiff_t>(from);
            const auto count = std::min(QueueJob::most_recipients, recipients.size() - from);
            waiting.push_back({&message, {begin, begin + static_cast<std::ptrdiff_t>(count)}, routes_again});
            ++message.jobs_left;
        }
    }
    if (message.jobs_left == 0) return settle(message);
    for (const auto& [key, recipients] : parts) dispatch(destinations_.find(key));
}

void Dispatcher::forget_down_destinations() {
    for (auto& [key, destination] : destinations_) destination.down_until = {};
}

// ---- workers

void Dispatcher::dispatch(Place place) {
    DestinationQueue& destination = place->second;
    while (!destination.waiting.empty()) {
        Job job = std::move(destination.waiting.front());
        destination.waiting.pop_front();
        if (stopping_) {
            finish(std::move(job));
        } else if (Clock::now() < destination.down_until) {
            postpone_job(std::move(job), destination);
        } else if (Agent* agent = free_agent(place)) {
            hand_over(*agent, std::move(job));
        } else {
            destination.waiting.push_front(std::move(job));
            if (Clock::now() < destination.down_until) continue;  // since no agent could be started
            join_line(place);
            return;
        }
    }
    read_backlog(place);
}

// Messages that had to wait outside come in as soon as there is room for them. Starting one may dispatch this
// destination again (it is down, say): the loop goes on here, not one level deeper each time. It makes
// pauses, since what is deferred at once may be twenty thousand messages.
void Dispatcher::read_backlog(Place place) {
    DestinationQueue& destination = place->second;
    if (destination.is_reading_backlog) return;
    destination.is_reading_backlog = true;
    const auto may_read = [&] {
        return has_room() && !destination.backlog.empty() && has_room_for_jobs(destination);
    };
    for (std::size_t n = 0; n < most_read_at_once && may_read(); ++n) {
        const std::string id = std::move(destination.backlog.front());
        destination.backlog.pop_front();
        if (!start(id)) events_.on_gone(id);
    }
    destination.is_reading_backlog = false;
    if (!destination.backlog.empty() && has_room_for_jobs(destination) &&
        !std::exchange(destination.is_unread, true))
        unread_.push_back(place);
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

void Dispatcher::hand_over(Agent& agent, Job job) {
    try {
        job.message->entry.make_room_for_results(job.recipients.size());
    } catch (const std::system_error& error) {
        // What is delivered and cannot be noted would be delivered again and again.
        return defer_job(std::move(job), std::string("the journal cannot be written: ") + error.what());
    }
    QueueJob request;
    request.count = static_cast<std::uint32_t>(job.recipients.size());
    std::copy(job.recipients.begin(), job.recipients.end(), request.recipients);
    request.routes_again = job.routes_again ? 1 : 0;
    request.is_patient = agent.place->first.domain.empty() ? 0 : 1;
    try {
        const Fd message = job.message->entry.open_message();
        std::vector<int> descriptors = {job.message->entry.fd(), message.get()};
        if (const StatusWriter* status = events_.status_writer_of(job.message->entry.id())) {
            request.submitter_sees_all = status->sees_all() ? 1 : 0;
            descriptors.push_back(status->fd());
        }
        send_struct(agent.worker.channel.get(), request, descriptors);
        agent.job = std::move(job);
        agent.busy_since = Clock::now();
    } catch (const PeerGone&) {
        // The end of its channel removes the agent from the list; this part is tried again by schedule.
        defer_job(std::move(job), "the delivery process ended");
    } catch (const std::system_error& error) {
        log_event(job.message->entry.id(), "message-unreadable", {{"reason", error.what()}});
        if (error.code() == std::errc::no_such_file_or_directory) {
            settle_job(std::move(job), failed("5.3.0", "the text of the message was lost on this host"));
        } else {
            defer_job(std::move(job), "the message could not be read");
        }
    }
}

bool Dispatcher::serve(int channel) {
    for (Pool& pool : pools_)
        for (auto agent = pool.agents.begin(); agent != pool.agents.end(); ++agent)
            if (agent->worker.channel.get() == channel) {
                job_done(pool, agent);
                return true;
            }
    return false;
}

void Dispatcher::job_done(Pool& pool, std::list<Agent>::iterator agent) {
    const Place place = agent->place;
    DestinationQueue& destination = place->second;
    const auto answer = receive_struct_now<QueueJobDone>(agent->worker.channel.get());
    if (answer.kind == PacketArrival::Kind::nothing) return;
    std::optional<Job> job = std::exchange(agent->job, std::nullopt);
    if (answer.kind != PacketArrival::Kind::packet) return end_of_agent(pool, agent, std::move(job));
    ++agent->jobs_done;
    agent->worker.idle_since = Clock::now();
    const bool is_down = answer.value.destination_is_down != 0;
    if (job) learn_pace(destination, *agent, !is_down);
    if (job && is_down && may_pass_on(*agent, answer.value)) return pass_on(pool, agent, std::move(*job));
    if (is_down) note_down(destination, result_in(answer.value));
    agent->was_connected = !is_down;
    const bool leaves = must_give_way(pool, *agent);
    if (leaves) remove_agent(pool, agent);
    if (job) {
        job->message->entry.reload();
        job->message->was_tried |= !job->routes_again;
        be_patient_with_slow(*job, answer.value);
        if (is_down && answer.value.is_unrecorded != 0)
            settle_job(std::move(*job), destination.why_down);
        else
            finish(std::move(*job));
    }
    if (leaves) serve_line(pool);
    dispatch(place);
    serve_line(pool);  // if it needs its agent no more
}

/// One that was asked to end has tried nothing of what it has not recorded.
void Dispatcher::end_of_agent(Pool& pool, std::list<Agent>::iterator agent, std::optional<Job> job) {
    const Place place = agent->place;
    const bool was_asked = agent->is_ending || stopping_;
    if (!was_asked)
        log_event("", "queue-agent-ended",
                  {{"child", std::to_string(agent->worker.pid)}, {"domain", place->first.domain}});
    if (job && agent->is_ending) learn_pace(place->second, *agent, false);
    remove_agent(pool, agent);
    if (job) {
        job->message->entry.reload();
        if (stopping_) {
            finish(std::move(*job));
        } else if (was_asked) {
            place->second.waiting.push_front(std::move(*job));
        } else {
            job->message->was_tried |= !job->routes_again;
            defer_job(std::move(*job), "the delivery process ended");
        }
    }
    serve_line(pool);
    dispatch(place);
    serve_line(pool);
}

/// Recipients whose agents did not answer soon get an agent that waits for one of them alone.
void Dispatcher::be_patient_with_slow(const Job& job, const QueueJobDone& answer) {
    ActiveMessage& message = *job.message;
    std::vector<Place> places;
    for (std::size_t i = 0; i < job.recipients.size(); ++i) {
        if (answer.is_slow[i] == 0) continue;
        const Destination& destination =
            message.entry.journal().envelope.recipients[job.recipients[i]].destination;
        const Key key{true, "mailbox " + describe(destination)};
        DestinationQueue& own = queue_for(key, account_for(destination));
        own.is_patient = true;
        own.waiting.push_back({&message, {job.recipients[i]}});
        ++message.jobs_left;
        places.push_back(destinations_.find(key));
    }
    for (const Place place : places) dispatch(place);
}

/// A host that answers, though it refuses this connection, takes mail over those that others of its agents
/// have; where there is no answer, one of them must have had a connection.
bool Dispatcher::may_pass_on(const Agent& refused, const QueueJobDone& answer) const {
    if (answer.is_unrecorded == 0 || stopping_) return false;
    const bool has_answer = !answer.by.str().empty();
    for (const Pool& pool : pools_)
        for (const Agent& other : pool.agents)
            if (&other != &refused && other.place == refused.place && (has_answer || other.was_connected))
                return true;
    return false;
}

/// The other agents of the destination take the job; for a while there are no more of them.
void Dispatcher::pass_on(Pool& pool, std::list<Agent>::iterator refused, Job job) {
    const Place place = refused->place;
    DestinationQueue& destination = place->second;
    remove_agent(pool, refused);
    destination.most_agents = destination.agents;
    destination.limited_until = Clock::now() + limit_time;
    log_event(job.message->entry.id(), "passed-on",
              {{"domain", place->first.domain}, {"connections", std::to_string(destination.agents)}});
    destination.waiting.push_front(std::move(job));
    dispatch(place);
    serve_line(pool);
}

void Dispatcher::add_poll_entries(std::vector<pollfd>& entries) const {
    for (const Pool& pool : pools_)
        for (const Agent& agent : pool.agents) entries.push_back({agent.worker.channel.get(), POLLIN, 0});
}

void Dispatcher::stop() {
    stopping_ = true;
    for (auto& [key, destination] : destinations_) destination.backlog.clear();
    for (auto& [owner, share] : shares_) share.backlog.clear();
    for (auto place = destinations_.begin(); place != destinations_.end(); ++place) dispatch(place);
    for (Pool& pool : pools_)
        for (auto agent = pool.agents.begin(); agent != pool.agents.end();) {
            const auto next = std::next(agent);
            if (agent->job)
                events_.end_agent(agent->worker, SIGTERM);
            else
                remove_agent(pool, agent);
            agent = next;
        }
}

}  // namespace postoffice
