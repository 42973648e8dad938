#include "postoffice/queue/message.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/folder.h"
#include "postoffice/base/lock.h"
#include "postoffice/queue/spool.h"

namespace postoffice {

SpoolIsFull::SpoolIsFull(const std::string& directory, std::uint64_t minfree)
    : std::system_error(ENOSPC, std::generic_category()),
      text_(fmt::format("{} would have less than minfree={}k left", directory, minfree / 1024)) {}

SpoolIsFull::SpoolIsFull(const std::string& directory)
    : std::system_error(ENOSPC, std::generic_category()),
      text_(fmt::format("unfinished messages of one client hold more of {} than they leave", directory)) {}

Message::Message(std::string spool_directory, std::uint64_t minfree, SpoolShare* share)
    : directory_(std::move(spool_directory)), minfree_(minfree), share_(share) {}

Message::~Message() {
    if (file_path_.empty()) return;
    try {
        disk::unlink_in(open_folder(directory_).get(), file_path_.substr(file_path_.rfind('/') + 1));
    } catch (const std::system_error&) {
        // Spool::sweep() removes it once it is old.
    }
}

void Message::append(std::string_view bytes) {
    if (memory_.size() + bytes.size() > memory_limit) {
        if (!file_) create_file();
        write_out();
        if (bytes.size() > memory_limit) {
            write_to_file(bytes);
            size_ += bytes.size();
            return;
        }
    }
    memory_.append(bytes);
    size_ += bytes.size();
}

void Message::write_out() {
    if (!file_ || memory_.empty()) return;
    write_to_file(memory_);
    memory_.clear();
}

// The free space is looked at with each block, since the length of the message is not known before its end.
void Message::write_to_file(std::string_view bytes) {
    disk::write_all(file_.get(), bytes);
    written_ += bytes.size();
    if (minfree_ == 0 && share_ == nullptr) return;
    const std::uint64_t free = disk::free_space(directory_);
    if (free < minfree_) throw SpoolIsFull(directory_, minfree_);
    if (share_ != nullptr && !share_->hold(written_, free - minfree_)) throw SpoolIsFull(directory_);
}

void Message::abandon() noexcept {
    try {
        std::string().swap(memory_);
        if (file_) disk::truncate(file_.get(), 0);
        if (share_ != nullptr) (void)share_->hold(0, 0);
    } catch (const std::system_error&) {
        // The destructor removes the file.
    }
}

void Message::create_file() {
    const std::string name = "tm" + Spool::new_id();
    const std::string path = directory_ + "/" + name;
    Fd file = disk::open_in(open_folder(directory_).get(), name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    file_path_ = path;  // from here on the destructor removes it
    if (!try_lock(file.get())) throw_errno(EAGAIN, "lock " + path);
    file_ = std::move(file);
}

void Message::append_copy_of(Message& other) {
    const Fd source = other.open_for_reading();
    append_copy_of(source.get());
}

void Message::append_copy_of(int file) {
    std::string block(memory_limit, '\0');
    for (off_t offset = 0;;) {
        const std::size_t n = disk::read_at(file, block, offset);
        if (n == 0) return;
        append({block.data(), n});
        offset += static_cast<off_t>(n);
    }
}

Fd Message::open_for_reading() {
    write_out();
    if (!file_) return disk::memory_file(memory_);
    // Opened again rather than duplicated: a duplicate would share the position and the right to write. The
    // name is the kernel's, since ours may be gone by now. The file's mode keeps others from opening it for
    // writing.
    Fd file(::open(("/proc/self/fd/" + std::to_string(file_.get())).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw_errno("open the message again");
    return file;
}

std::uint64_t Message::checksum() {
    write_out();
    return file_ ? checksum_of_file(file_.get()) : keyed_hash(checksum_key, memory_);
}

std::uint64_t checksum_of_file(int file) {
    KeyedHash hash(Message::checksum_key);
    std::string block(Message::memory_limit, '\0');
    off_t offset = 0;
    while (const std::size_t n = disk::read_at(file, block, offset)) {
        hash.append({block.data(), n});
        offset += static_cast<off_t>(n);
    }
    return hash.value();
}

Fd Message::keep_as(const std::string& path) {
    if (!file_) create_file();
    write_out();
    Fd kept = file_.duplicate();
    disk::link(file_path_, path);  // unlike rename(2), fails if the name is taken
    try {
        disk::unlink_if_exists(file_path_);
    } catch (const std::system_error&) {
        disk::unlink_if_exists(path);
        throw;
    }
    file_path_.clear();
    return kept;
}

}  // namespace postoffice
