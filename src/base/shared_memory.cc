#include "postoffice/base/shared_memory.h"

#include <sys/mman.h>

#include "postoffice/base/error.h"

namespace postoffice {

SharedMemory::SharedMemory(std::size_t bytes)
    : bytes_(bytes),
      data_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (data_ == MAP_FAILED) throw_errno("shared memory");
}

SharedMemory::~SharedMemory() {
    ::munmap(data_, bytes_);
}

}  // namespace postoffice
