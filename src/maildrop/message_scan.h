// What a maildrop has to know of a message, found in one pass over its text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "postoffice/base/keyed_hash.h"

namespace postoffice {

struct MessageFacts {
    std::uint64_t octets = 0;  ///< with CRLF as line ends
    /// Of all that stays the same wherever the message is stored: MessageScan leaves fields out that mail
    /// programs change.
    Hash128 hash{};
    std::string uid_field;     ///< the value of X-UID, which Dovecot and c-client write
    std::string uidl_field;    ///< the value of X-UIDL, which qpopper and mailutils write
    std::string folder_field;  ///< the value of X-IMAPbase or X-IMAP, in the first message of an mbox
    /// The Subject is that of the message in which c-client keeps the data of the folder.
    bool has_folder_subject = false;
};

/// Gets one message, without the '>' that an mbox puts before "From ".
class MessageScan {
  public:
    MessageScan();
    /// A line of the header with its line end, or the next part of a long one.
    void add_header(std::string_view line, bool is_start);
    /// Text from the empty line behind the header on, divided at any octet.
    void add_body(std::string_view text);
    MessageFacts finish();

  private:
    void begin_field(std::string_view line);
    void hash_text(std::string_view text, bool is_hashed);

    MessageFacts facts_;
    KeyedHash hash_;
    bool is_field_hashed_ = true;
    bool has_cr_ = false;  // a CR at the end of the text so far, which is hashed if no LF follows
    char last_ = '\n';
};

}  // namespace postoffice
