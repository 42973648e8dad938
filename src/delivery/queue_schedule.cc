#include "postoffice/delivery/queue_schedule.h"

namespace postoffice {

void QueueSchedule::add(const std::string& id, UnixTime due) {
    if (known_.emplace(id, due).second) due_.emplace(due, id);
}

void QueueSchedule::set(const std::string& id, UnixTime due) {
    const auto known = known_.find(id);
    if (known == known_.end()) return add(id, due);
    if (known->second == being_delivered || known->second == due) return;
    due_.erase({known->second, id});
    due_.emplace(due, id);
    known->second = due;
}

void QueueSchedule::try_now(const std::string& id) {
    mark_wanted_now(id);
    set(id, 0);
}

void QueueSchedule::forget(const std::string& id) {
    known_.erase(id);
    wanted_now_.erase(id);
}

void QueueSchedule::forget_times() {
    for (const auto& [due, id] : due_) known_.erase(id);
    due_.clear();
}

void QueueSchedule::make_all_due() {
    std::set<std::pair<UnixTime, std::string>> all;
    for (const auto& [due, id] : due_) {
        all.emplace(0, id);
        known_[id] = 0;
    }
    due_ = std::move(all);
}

std::optional<UnixTime> QueueSchedule::next_due() const {
    if (due_.empty()) return std::nullopt;
    return due_.begin()->first;
}

std::string QueueSchedule::take_due() {
    std::string id = due_.begin()->second;
    due_.erase(due_.begin());
    known_[id] = being_delivered;
    return id;
}

bool QueueSchedule::may_leave(const Journal& journal) const {
    return !waits_for_run_.contains(journal.id) || journal.next_attempt != 0 || is_wanted_now(journal.id);
}

}  // namespace postoffice
