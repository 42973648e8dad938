#include "postoffice/delivery/intake_pool.h"

#include <algorithm>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/packet.h"
#include "postoffice/delivery/queue_job.h"

namespace postoffice {
namespace {

constexpr std::size_t most_workers = 4;
constexpr std::chrono::seconds idle_limit{10};

}  // namespace

IntakePool::IntakePool(std::function<Worker()> start) : start_(std::move(start)) {}

void IntakePool::add(const std::string& id) {
    if (!known_.insert(id).second) return;
    waiting_.push_back(id);
    dispatch();
}

bool IntakePool::is_idle() const {
    return waiting_.empty() &&
           std::all_of(members_.begin(), members_.end(), [](const Member& m) { return m.id.empty(); });
}

void IntakePool::stop() {
    for (const std::string& id : waiting_) known_.erase(id);
    waiting_.clear();
}

void IntakePool::dispatch() {
    while (!waiting_.empty()) {
        auto member =
            std::find_if(members_.begin(), members_.end(), [](const Member& m) { return m.id.empty(); });
        if (member == members_.end()) {
            if (members_.size() >= most_workers) return;
            member = members_.insert(members_.end(), Member{start_(), ""});
        }
        const std::string id = waiting_.front();
        waiting_.pop_front();
        IntakeJob job;
        if (!job.id.assign(id)) continue;  // longer than any id of ours
        try {
            send_struct(member->worker.channel.get(), job);
            member->id = id;
        } catch (const PeerGone&) {
            known_.erase(id);  // the next look at the folder finds it again
            members_.erase(member);
        }
    }
}

bool IntakePool::serve(int channel) {
    const auto member = std::find_if(members_.begin(), members_.end(),
                                     [&](const Member& m) { return m.worker.channel.get() == channel; });
    if (member == members_.end()) return false;
    const auto answer = receive_struct_now<IntakeJobDone>(channel);
    if (answer.kind == Arrival::Kind::nothing) return true;
    const bool is_alive = answer.kind == Arrival::Kind::packet;
    // Taken, left for better times, or the death of its worker: the folder tells when it is looked at again.
    known_.erase(member->id);
    member->id.clear();
    member->worker.idle_since = std::chrono::steady_clock::now();
    if (!is_alive) {
        log_event("", "intake-worker-ended", {{"pid", std::to_string(member->worker.pid)}});
        members_.erase(member);
    }
    dispatch();
    return true;
}

void IntakePool::add_poll_entries(std::vector<pollfd>& entries) const {
    for (const Member& member : members_) entries.push_back({member.worker.channel.get(), POLLIN, 0});
}

void IntakePool::end_idle_workers() {
    const auto now = std::chrono::steady_clock::now();
    members_.remove_if(
        [&](const Member& m) { return m.id.empty() && now - m.worker.idle_since > idle_limit; });
}

}  // namespace postoffice
