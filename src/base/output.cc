#include "postoffice/base/output.h"

#include <fcntl.h>

namespace postoffice {

void write_text(std::FILE* stream, std::string_view text) noexcept {
    (void)!std::fwrite(text.data(), 1, text.size(), stream);
}

bool is_open_for(int fd, int access) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && ((flags & O_ACCMODE) == access || (flags & O_ACCMODE) == O_RDWR);
}

bool output_failed() noexcept {
    return std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
}

}  // namespace postoffice
