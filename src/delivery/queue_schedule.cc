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

bool QueueSchedule::is_being_delivered(const std::string& id) const {
    const auto known = known_.find(id);
    return known != known_.end() && known->second == being_delivered;
}

void QueueSchedule::try_now(const std::string& id) {
    mark_wanted_now(id);
    if (is_being_delivered(id)) due_again_.insert(id);
    set(id, 0);
}

void QueueSchedule::put_back(const std::string& id, UnixTime due) {
    const bool is_due_again = due_again_.contains(id);
    const bool stays_wanted = is_due_again && is_wanted_now(id);
    forget(id);
    if (stays_wanted) mark_wanted_now(id);
    add(id, is_due_again ? 0 : due);
}

void QueueSchedule::forget(const std::string& id) {
    known_.erase(id);
    wanted_now_.erase(id);
    due_again_.erase(id);
}

void QueueSchedule::forget_times() {
    for (const auto& [due, id] : due_) known_.erase(id);
    due_.clear();
}

void QueueSchedule::make_all_due() {
    due_.clear();
    for (auto& [id, due] : known_) {
        if (due == being_delivered) {
            due_again_.insert(id);
        } else {
            due = 0;
            due_.emplace(0, id);
        }
    }
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
