// How full the house is: the listener says so, and its sessions have less patience with the slow and the
// silent.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "postoffice/base/clock.h"
#include "postoffice/base/shared_memory.h"

namespace postoffice {

class LoadLevel {
  public:
    /// Make it before the sessions are forked. Throws std::system_error.
    LoadLevel();
    /// By the listener alone.
    void set(std::size_t clients, std::size_t most);

    /// Up to 80 % of the places, all of it; from there on less, down to a tenth when all are taken, but never
    /// less than ten seconds (or `patience` itself, if that is less).
    Milliseconds shortened(Milliseconds patience) const;

    /// Patience has become less.
    bool is_high() const;

  private:
    SharedMemory memory_;
    std::atomic<std::uint32_t>* percent_;  // of the places
};

}  // namespace postoffice
