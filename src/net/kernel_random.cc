#include "postoffice/net/kernel_random.h"

#include <unistd.h>

#include "postoffice/base/error.h"

namespace postoffice {

KernelRandom::result_type KernelRandom::operator()() const {
    result_type value = 0;
    if (::getentropy(&value, sizeof value) != 0) throw_errno("random numbers");
    return value;
}

}  // namespace postoffice
