#include "postoffice/base/shared_flag.h"

#include <sys/mman.h>

#include <new>

#include "postoffice/base/error.h"

namespace postoffice {

static_assert(std::atomic<bool>::is_always_lock_free, "processes share it without a lock");

SharedFlag::SharedFlag(bool is_set) {
    void* memory = ::mmap(nullptr, sizeof *flag_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw_errno("mmap");
    flag_ = new (memory) std::atomic<bool>(is_set);
}

SharedFlag::~SharedFlag() {
    (void)::munmap(static_cast<void*>(flag_), sizeof *flag_);
}

}  // namespace postoffice
