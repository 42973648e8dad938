#include "postoffice/config/accepted_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/log.h"

namespace postoffice {
namespace {

constexpr mode_t readers = 0444;

/// Under a name that is ours alone, then renamed: a reader has the old copy or the new one.
void write_copy(const std::string& file, const std::string& copy, const std::string& text) {
    struct stat original {};
    if (::stat(file.c_str(), &original) != 0) throw_errno("stat " + file);
    std::string temporary = copy + ".XXXXXX";
    const Fd made(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!made) throw_errno("create " + temporary);
    try {
        disk::write_all(made.get(), text);
        if (::geteuid() == 0 && ::fchown(made.get(), 0, original.st_gid) != 0)
            throw_errno("chown " + temporary);
        if (::fchmod(made.get(), (original.st_mode & readers) | S_IRUSR | S_IWUSR) != 0)
            throw_errno("chmod " + temporary);
        disk::sync(made.get());
        disk::rename(temporary, copy);
    } catch (...) {
        (void)::unlink(temporary.c_str());
        throw;
    }
}

}  // namespace

std::string accepted_copy_of(const std::string& file) {
    return file + ".accepted";
}

void keep_accepted_copy(const ConfigSource& source, const LoadedConfig& loaded) {
    const std::string copy = accepted_copy_of(source.file);
    try {
        if (loaded.config.file.empty())
            disk::unlink_if_exists(copy);
        else
            write_copy(source.file, copy, loaded.text);
    } catch (const std::system_error& error) {
        log_event("", "config-copy-failed", {{"file", copy}, {"reason", error.what()}});
    }
}

LoadedConfig load_accepted_config(const ConfigSource& source) {
    LoadedConfig loaded = load_config(source);
    const std::string copy = accepted_copy_of(source.file);
    const bool is_missing = loaded.problems.empty() && loaded.config.file.empty();
    const bool is_usable = loaded.problems.empty() && !is_missing;
    if (is_usable || ::access(copy.c_str(), F_OK) != 0) return loaded;
    ConfigSource of_copy = source;
    of_copy.file = copy;
    of_copy.file_must_exist = true;
    LoadedConfig accepted = load_config(of_copy);
    if (!accepted.problems.empty()) return loaded;
    const std::string reason = is_missing ? source.file + " is gone" : loaded.problems.front().text;
    accepted.notices.insert(accepted.notices.begin(),
                            fmt::format("{}; what the server last accepted is used", reason));
    accepted.is_copy = true;
    accepted.config.file = source.file;
    return accepted;
}

}  // namespace postoffice
