// Helpers of tests of the spool: files in a temporary folder, and an envelope.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "../support/temporary_folder.h"
#include "postoffice/base/disk.h"
#include "postoffice/queue/spool.h"

namespace postoffice::test {

using test::TemporaryFolder;

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

}  // namespace postoffice::test
