// What the tests of the spool share: a folder that goes when the test ends, and an envelope to store in it.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "postoffice/base/disk.h"
#include "postoffice/queue/spool.h"

namespace postoffice::testing {

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "postoffice-test-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr)
            throw std::filesystem::filesystem_error("mkdtemp", std::error_code());
        path_ = pattern;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    /// Names in it, in order.
    std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto& entry : std::filesystem::directory_iterator(path_))
            result.push_back(entry.path().filename());
        std::sort(result.begin(), result.end());
        return result;
    }

  private:
    std::string path_;
};

inline std::string read_file(const std::string& path) {
    return disk::read_all(disk::open(path, O_RDONLY).get(), 100U << 20);
}

inline void write_file(const std::string& path, std::string_view text) {
    disk::write_all(disk::open(path, O_WRONLY | O_CREAT | O_TRUNC).get(), text);
}

/// Makes a file look as if last written `seconds` ago.
inline void make_older(const std::string& path, UnixTime seconds) {
    disk::set_modification_time(disk::open(path, O_RDONLY).get(), now_unix() - seconds);
}

inline Envelope envelope_for_two() {
    Envelope envelope;
    envelope.sender = Address("alice", "a.test");
    envelope.arrived = 1795255205;  // 2026-11-21T10:00:05Z
    envelope.origin = {"ESMTP", "client.a.test", "mx.a.test", "192.0.2.7", ""};
    envelope.recipients.push_back(
        {Address("bob", "b.test"), {Destination::Mailbox{"bob"}, Address("bob", "b.test")}});
    envelope.recipients.push_back(
        {Address("list", "b.test"), {Destination::Remote{}, Address("carol", "c.test")}});
    return envelope;
}

}  // namespace postoffice::testing
