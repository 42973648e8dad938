// A switch that the master turns and every process below it sees at once, whenever it was started. It is no
// secret and guards nothing: a process that was captured can turn it, too.
#pragma once

#include <atomic>

namespace postoffice {

class SharedFlag {
  public:
    /// In memory that children made from now on share. Throws std::system_error.
    explicit SharedFlag(bool is_set);
    ~SharedFlag();
    SharedFlag(const SharedFlag&) = delete;
    SharedFlag& operator=(const SharedFlag&) = delete;

    bool is_set() const { return flag_->load(std::memory_order_relaxed); }
    void set(bool value) { flag_->store(value, std::memory_order_relaxed); }

  private:
    std::atomic<bool>* flag_;
};

}  // namespace postoffice
