#include "scheduling_words.h"

#include <fmt/format.h>

#include "postoffice/base/text.h"

namespace postoffice {

Result<Scheduling> parse_scheduling(const SubmissionWords& words, Seconds longest_hold, UnixTime now) {
    Scheduling result;
    if (!words.deliver_by.empty()) {
        result.deliver_by = parse_deliver_by(words.deliver_by, now);
        if (!result.deliver_by)
            return Problem{"-O DeliverBy: must be a time, and perhaps ;N, ;R, ;NT or ;RT, as in 2h;R"};
    }
    if (!words.hold_for.empty() && !words.hold_until.empty())
        return Problem{"-O HoldFor and -O HoldUntil exclude each other"};
    if (!words.hold_for.empty() || !words.hold_until.empty()) {
        const auto release =
            words.hold_for.empty() ? parse_hold_until(words.hold_until) : parse_hold_for(words.hold_for, now);
        if (!release)
            return Problem{"-O HoldUntil: must be a date and time of RFC 3339, as 2026-12-24T18:00:00+01:00"};
        if (*release > now + longest_hold.count())
            return Problem{fmt::format("no message is held for more than {} here (future-release)",
                                       duration_text(longest_hold))};
        if (result.deliver_by && result.deliver_by->at <= *release)
            return Problem{"-O DeliverBy: the time would be over before the release"};
        result.release = *release > now ? *release : 0;
    }
    if (!words.priority.empty()) {
        const auto priority = parse_priority(words.priority);
        if (!priority) return Problem{"-O Priority: must be a number from -9 to 9"};
        result.priority = *priority;
    }
    return result;
}

}  // namespace postoffice
