// The messages that the runner knows of, and when each of them is due.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "postoffice/base/clock.h"
#include "postoffice/queue/journal.h"

namespace postoffice {

class QueueSchedule {
  public:
    /// A message that is known already keeps its time.
    void add(const std::string& id, UnixTime due);
    /// The same for a message whose time has changed. One that is being delivered is not touched.
    void set(const std::string& id, UnixTime due);
    /// It is due at once, also at other hosts. One that is being delivered is once more due after that: the
    /// attempt may have begun before a table was corrected.
    void try_now(const std::string& id);
    /// The same once it is known.
    void mark_wanted_now(const std::string& id) { wanted_now_.insert(id); }
    bool is_wanted_now(const std::string& id) const { return wanted_now_.contains(id); }
    void forget(const std::string& id);
    /// Of all messages that wait: their times are not those of this clock.
    void forget_times();
    /// All are due, those that are being delivered once more after that.
    void make_all_due();
    /// Its delivery has ended, and the next attempt is due then.
    void put_back(const std::string& id, UnixTime due);

    bool knows(const std::string& id) const { return known_.contains(id); }
    /// nullopt if no message waits.
    std::optional<UnixTime> next_due() const;
    bool has_due(UnixTime now) const { return !due_.empty() && due_.begin()->first <= now; }
    /// The message that is due first, from now on being delivered. has_due() must be true.
    std::string take_due();

    // ---- with immediate=0 the first attempt at other hosts waits for a queue run

    void wait_for_run(const std::string& id) { waits_for_run_.insert(id); }
    void end_wait_for_run(const std::string& id) { waits_for_run_.erase(id); }
    void begin_run() { waits_for_run_.clear(); }
    /// Its recipients at other hosts may be tried: a person asked for this message, or a queue run has come.
    bool may_leave(const Journal& journal) const;

  private:
    static constexpr UnixTime being_delivered = -1;
    bool is_being_delivered(const std::string& id) const;

    std::set<std::pair<UnixTime, std::string>> due_;
    std::unordered_map<std::string, UnixTime> known_;  ///< as in due_, or being delivered
    std::set<std::string> wanted_now_;                 ///< of those known
    std::set<std::string> due_again_;                  ///< of those being delivered
    std::set<std::string> waits_for_run_;              ///< came since the last queue run
};

}  // namespace postoffice
