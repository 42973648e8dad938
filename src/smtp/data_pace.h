// How slowly a message may come: a silent client runs into the patience of the dialogue, one that sends drop
// by drop into data-rate, and whatever comes without end into data-time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "postoffice/base/clock.h"

namespace postoffice {

struct Dialogue;

/// For one message, from its beginning to its end, in however many chunks it comes.
class DataPace {
  public:
    explicit DataPace(const Dialogue& dialogue) : dialogue_(dialogue) {}
    /// A DataWait (data_reader.h).
    Deadline wait();
    void count(std::size_t octets) { octets_ += octets; }

  private:
    const Dialogue& dialogue_;
    Stopwatch status_;
    std::uint64_t octets_ = 0;
};

}  // namespace postoffice
