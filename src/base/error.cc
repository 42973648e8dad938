#include "postoffice/base/error.h"

#include <cerrno>

namespace postoffice {

void throw_errno(const std::string& what) {
    throw_errno(errno, what);
}

void throw_errno(int error, const std::string& what) {
    throw std::system_error(error, std::generic_category(), what);
}

}  // namespace postoffice
