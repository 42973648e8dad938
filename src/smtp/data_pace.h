// How slowly a message may come: a silent client runs into the patience of the dialogue, one that sends drop
// by drop into data-rate, and whatever comes without end into data-time.
#pragma once

#include <cstdint>

#include "dialogue.h"

namespace postoffice {

/// A DataWait (data_reader.h) for one message.
class DataPace {
  public:
    explicit DataPace(Dialogue& dialogue) : dialogue_(dialogue) {}
    Deadline operator()(std::uint64_t octets);

  private:
    Dialogue& dialogue_;
    Stopwatch watch_;
};

}  // namespace postoffice
