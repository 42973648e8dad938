// Any user of the host can put any file into drop/.
#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/queue/drop.h"

namespace {

/// A folder of this process, gone when it ends.
struct Folder {
    std::string path = (std::filesystem::temp_directory_path() / "postoffice-fuzz-XXXXXX").string();
    Folder() {
        if (::mkdtemp(path.data()) == nullptr) std::abort();
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace postoffice;
    static const Folder folder;
    disk::write_all(disk::open(folder.path + "/ID", O_WRONLY | O_CREAT | O_TRUNC).get(),
                    {reinterpret_cast<const char*>(data), size});
    try {
        const auto drop = open_drop(folder.path, "ID", 100);
        if (!drop) return 0;
        if (drop->envelope.recipients.empty() || drop->envelope.recipients.size() > 100) std::abort();
        if (disk::read_all(drop->file.get(), size).size() != drop->message_size) std::abort();
    } catch (const FormatError&) {
    }
    return 0;
}
