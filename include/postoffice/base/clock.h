// Time: deadlines on the monotonic clock, stamps on the wall clock. All stored times are 64-bit seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

using Seconds = std::chrono::seconds;
using Milliseconds = std::chrono::milliseconds;

/// Seconds since 1970, UTC.
using UnixTime = std::int64_t;

UnixTime now_unix();

/// A point on the monotonic clock by which something must have happened.
class Deadline {
  public:
    static Deadline after(Milliseconds wait) { return Deadline(Clock::now() + wait); }
    static Deadline earlier(Deadline a, Deadline b) { return a.when_ < b.when_ ? a : b; }
    bool passed() const { return Clock::now() >= when_; }
    /// For poll(2): milliseconds left, rounded up; 0 when passed; at most an hour.
    int poll_timeout() const;

  private:
    using Clock = std::chrono::steady_clock;
    explicit Deadline(Clock::time_point when) : when_(when) {}
    Clock::time_point when_;
};

/// How long it has been there, on the monotonic clock.
class Stopwatch {
  public:
    Milliseconds time() const { return std::chrono::duration_cast<Milliseconds>(Clock::now() - start_); }

  private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point start_ = Clock::now();
};

/// "Sat, 21 Nov 2026 10:00:00 +0100", local zone as a numeric offset (RFC 5322 section 3.3).
std::string rfc5322_date(UnixTime when);
/// "2026-11-21T09:00:00Z" (RFC 3339), the form of all stamps in the spool.
std::string rfc3339_utc(UnixTime when);
/// Reads exactly what rfc3339_utc() writes.
std::optional<UnixTime> parse_rfc3339_utc(std::string_view text);
/// "Sat Nov 21 10:00:00 2026": the asctime form of a mailbox From line, UTC (RFC 4155).
std::string mailbox_date(UnixTime when);
/// "3d", "1h30m", "90s": the shortest exact form that the configuration would read back.
std::string duration_text(Seconds span);

}  // namespace postoffice
