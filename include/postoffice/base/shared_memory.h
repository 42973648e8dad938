// Memory that a process shares with the children it forks from then on.
#pragma once

#include <cstddef>

namespace postoffice {

class SharedMemory {
  public:
    /// Filled with zeros; pages are there when they are first touched. Throws std::system_error.
    explicit SharedMemory(std::size_t bytes);
    ~SharedMemory();
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;

    void* data() const { return data_; }

  private:
    std::size_t bytes_;
    void* data_;
};

}  // namespace postoffice
