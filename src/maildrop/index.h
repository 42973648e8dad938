// What is remembered of a maildrop between sessions, in a file beside the mailbox: the ids of its messages,
// and where they are, so that the next session needs not read a mailbox that did not change. It is text:
//
//     postoffice-pop3 1
//     file INODE SIZE MODIFIED CHANGED SEEN
//     message START TEXT END NEXT OCTETS HASH INODE MODIFIED UID NAME
//     gone UID
//     sum HASH
//
// Numbers are decimal, times are nanoseconds since 1970, a hash is 32 hexadecimal digits. Lines "message" are
// in the order of the maildrop. The last line has the keyed hash of all text in front of it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailbox_parser.h"

namespace postoffice {

/// A file as it was.
struct FileState {
    std::uint64_t inode = 0;  ///< 0: not known
    std::uint64_t size = 0;
    std::uint64_t modified = 0;  ///< nanoseconds since 1970
    std::uint64_t changed = 0;   ///< the same, of owner, mode and names too

    static FileState of(const struct stat& status);
    bool operator==(const FileState&) const = default;
};

std::uint64_t nanoseconds_now();

struct IndexedMessage {
    MessagePlace place;  ///< in the mbox; of a maildir `end` is the size of the file
    std::uint64_t octets = 0;
    Hash128 hash{};
    std::uint64_t inode = 0, modified = 0;  ///< maildir: of its file
    std::string uid;
    std::string name;  ///< maildir: the unique name; "-" in an mbox
};

struct MaildropIndex {
    FileState file;  ///< the mbox that has the messages at their places; without inode if none is known
    std::uint64_t seen = 0;  ///< when its state was read, in nanoseconds since 1970
    std::vector<IndexedMessage> messages;
    /// Ids of messages that were deleted, the last ones last: an equal message gets another one.
    std::deque<std::string> gone;

    static constexpr std::size_t most_gone = 16'384;
    /// What is left when the marked messages are deleted. Their places in the file are not known any more.
    MaildropIndex without(const std::vector<bool>& deleted) const;

    std::string to_text() const;
    /// nullopt for anything but a text that to_text() could have made: offsets are in order and within the
    /// file, ids are valid and different.
    static std::optional<MaildropIndex> parse(std::string_view text);
};

}  // namespace postoffice
