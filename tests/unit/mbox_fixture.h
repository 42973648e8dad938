// An mbox in a folder of the test, and messages to append.
#pragma once

#include "local_delivery.h"
#include "postoffice/local/mailbox.h"

namespace postoffice::testing_mbox {

using namespace testing_local;

/// That other programs write.
inline const std::string from_line = "From a@b.example Sat Nov 21 10:00:00 2026\n";

class Mbox : public ::testing::Test {
  protected:
    std::string path() const { return folder_ / "somebody"; }
    void deliver(Mailbox& box, const std::string& message,
                 const DeliveryStamp& stamp = {"a@b.example", "c@d.example"}) {
        box.begin();
        box.append(stamp, disk::memory_file(message).get());
        box.finish();
    }
    /// Without the From line, whose date changes.
    std::string stored_as(const std::string& message, bool escape = true) {
        std::filesystem::remove(path());
        deliver(*open_mbox(path(), {.escape_from = escape}), message);
        const std::string all = contents(path());
        return all.substr(all.find('\n') + 1);
    }
    static void put(const std::string& path, const std::string& text) {
        disk::write_all(disk::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text);
    }
    const std::string stamp_ = "Return-Path: <a@b.example>\nDelivered-To: c@d.example\n";
    Folder folder_;
};

}  // namespace postoffice::testing_mbox
