#include "postoffice/base/output.h"

#include <fcntl.h>

#include <new>
#include <string>

#include "postoffice/base/text.h"

namespace postoffice {

void write_text(std::FILE* stream, std::string_view text) noexcept {
    try {
        const std::string clean = printable(text, "\n\t");
        (void)!std::fwrite(clean.data(), 1, clean.size(), stream);
    } catch (const std::bad_alloc&) {
        // As if the stream took nothing.
    }
}

bool is_open_for(int fd, int access) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && ((flags & O_ACCMODE) == access || (flags & O_ACCMODE) == O_RDWR);
}

bool output_failed() noexcept {
    return std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
}

}  // namespace postoffice
