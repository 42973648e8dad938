#include "postoffice/delivery/pickup_pool.h"

#include <algorithm>
#include <utility>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"

namespace postoffice {
namespace {

constexpr std::chrono::seconds idle_limit{10};
constexpr std::chrono::seconds slow{1};

}  // namespace

PickupPool::PickupPool(std::function<Worker()> start,
                       std::function<void(const std::string&, StatusWriter)> on_awaited)
    : start_(std::move(start)), on_awaited_(std::move(on_awaited)) {}

void PickupPool::add(const std::string& id, uid_t owner, bool is_awaited) {
    PickupJob job;
    if (!job.id.assign(id)) return;  // longer than any id of ours
    job.is_awaited = is_awaited ? 1 : 0;
    if (!known_.insert(id).second) return;
    waiting_.push(owner, {job, owner});
    dispatch();
}

bool PickupPool::is_picking_up_awaited(const std::string& id) const {
    return std::any_of(members_.begin(), members_.end(),
                       [&](const Member& m) { return m.is_awaited && m.id == id; });
}

bool PickupPool::is_idle() const {
    return waiting_.empty() &&
           std::all_of(members_.begin(), members_.end(), [](const Member& m) { return m.id.empty(); });
}

void PickupPool::stop() {
    waiting_.for_each([this](const Waiting& one) { known_.erase(one.job.id.str()); });
    waiting_.clear();
}

void PickupPool::dispatch() {
    const auto may_start = [this](uid_t owner) { return has_share(owner); };
    while (waiting_.has_any(may_start)) {
        const auto member = free_member();
        if (member == members_.end()) return;
        hand_over(member, *waiting_.pop(may_start));
    }
}

/// What makes a worker slow is a matter of the drop's owner, or of its recipients: others get another worker.
std::list<PickupPool::Member>::iterator PickupPool::free_member() {
    const auto idle =
        std::find_if(members_.begin(), members_.end(), [](const Member& m) { return m.id.empty(); });
    if (idle != members_.end() || members_.size() >= most_in_all) return idle;
    const auto now = Clock::now();
    const auto quick = std::count_if(members_.begin(), members_.end(),
                                     [now](const Member& m) { return now - m.since <= slow; });
    if (static_cast<std::size_t>(quick) >= most_workers) return members_.end();
    return members_.insert(members_.end(), Member{start_()});
}

bool PickupPool::has_share(uid_t owner) const {
    const auto own = std::count_if(members_.begin(), members_.end(),
                                   [owner](const Member& m) { return !m.id.empty() && m.owner == owner; });
    return static_cast<std::size_t>(own) < most_workers;
}

void PickupPool::hand_over(std::list<Member>::iterator member, const Waiting& next) {
    try {
        send_struct(member->worker.channel.get(), next.job);
        member->id = next.job.id.str();
        member->owner = next.owner;
        member->is_awaited = next.job.is_awaited != 0;
        member->since = Clock::now();
    } catch (const PeerGone&) {
        known_.erase(next.job.id.str());  // the next look at the folder finds it again
        members_.erase(member);
    }
}

bool PickupPool::serve(int channel) {
    const auto member = std::find_if(members_.begin(), members_.end(),
                                     [&](const Member& m) { return m.worker.channel.get() == channel; });
    if (member == members_.end()) return false;
    auto answer = receive_struct_now<PickupJobDone>(channel);
    if (answer.kind == PacketArrival::Kind::nothing) return true;
    const bool is_alive = answer.kind == PacketArrival::Kind::packet;
    // Taken, left for better times, or the death of its worker: the folder tells when it is looked at again.
    known_.erase(member->id);
    const std::string id = std::exchange(member->id, "");
    const bool is_awaited = std::exchange(member->is_awaited, false);
    member->worker.idle_since = std::chrono::steady_clock::now();
    if (!is_alive) {
        log_event("", "pickup-worker-ended", {{"child", std::to_string(member->worker.pid)}});
        members_.erase(member);
    }
    if (is_awaited) {
        StatusWriter status;
        if (is_alive && answer.descriptors.size() == 1)
            status = StatusWriter(std::move(answer.descriptors[0]), answer.value.submitter_sees_all != 0);
        on_awaited_(id, std::move(status));
    }
    dispatch();
    return true;
}

void PickupPool::add_poll_entries(std::vector<pollfd>& entries) const {
    for (const Member& member : members_) entries.push_back({member.worker.channel.get(), POLLIN, 0});
}

void PickupPool::end_idle_workers() {
    dispatch();
    const auto now = Clock::now();
    members_.remove_if(
        [&](const Member& m) { return m.id.empty() && now - m.worker.idle_since > idle_limit; });
}

}  // namespace postoffice
