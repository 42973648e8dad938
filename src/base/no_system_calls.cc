// In place of system_calls.cc where there is no libseccomp.
#include "postoffice/base/privileges.h"
#include "postoffice/base/system_calls.h"

namespace postoffice {

const bool has_call_filters = false;

CallFilter::CallFilter(const NeededCalls&) {}

CallFilter CallFilter::of_kernel_calls() {
    return {};
}

void CallFilter::enforce() const {
    forbid_new_privileges();
}

}  // namespace postoffice
