#include "postoffice/base/file_stamp.h"

namespace postoffice {
namespace {

bool same(const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

FileStamp FileStamp::of(const struct stat& status) {
    return {status.st_dev, status.st_ino, status.st_size, status.st_mtim, status.st_ctim};
}

bool FileStamp::operator==(const FileStamp& other) const {
    return inode == other.inode && device == other.device && size == other.size &&
           same(changed, other.changed) && same(touched, other.touched);
}

}  // namespace postoffice
