// Where the messages of an mbox are (RFC 4155), or the facts of a file that is one message.
//
// A line is a From_ line if it begins with "From ", has a time of day, a month, a day and a year, and follows
// an empty line; at the start of the file the word alone decides. The empty line in front of it, and one at
// the end of the file, belong to the mailbox and not to a message. Content-Length fields mean nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "message_scan.h"

namespace postoffice {

/// Offsets in the file.
struct MessagePlace {
    std::uint64_t start = 0;  ///< of the From_ line, or of the text if there is none
    std::uint64_t text = 0;   ///< of the first line of the message
    std::uint64_t end = 0;    ///< behind its last
    std::uint64_t next = 0;   ///< behind the empty line that ends it: the start of the next message
};

struct ParsedMessage {
    MessagePlace place;
    MessageFacts facts;
};

/// What the lines of a mailbox are.
struct MailboxForm {
    bool has_from_lines = false;  ///< an mbox; else all of it is one message
    bool escape_from = false;     ///< mboxrd: lines ">From " have one '>' more than the message
};

/// True for ">From ", ">>From " and so on.
bool is_escaped_from_line(std::string_view line);

class MailboxParser {
  public:
    /// `offset`: where the text begins in the file; unless it is 0, a From_ line stands there.
    explicit MailboxParser(const MailboxForm& form, std::uint64_t offset = 0);
    /// Reads `text`, which begins where the part that was read before ends. Returns how much of it was read:
    /// what is left is a part of a line, and must be at the front of the next text. With `is_end` all is
    /// read.
    std::size_t read(std::string_view text, bool is_end);
    /// Once, at the end.
    std::vector<ParsedMessage> finish();

  private:
    void begin_message(std::uint64_t start, std::uint64_t text);
    void end_message();
    void read_line(std::string_view line);
    std::size_t read_body(std::string_view text, bool is_end);
    bool is_from_line(std::string_view line, bool follows_empty_line) const;
    bool is_escaped(std::string_view line) const;
    void add_empty_line();

    const MailboxForm form_;
    std::uint64_t offset_;  // of the next line, or part of a line
    bool at_line_start_ = true;
    bool is_first_ = true;    // no line was read, or only empty ones in front of the first message
    std::string empty_line_;  // read, and part of the message if something other than a From_ line follows
    bool is_open_ = false;    // there is a message
    bool in_header_ = true;
    MessageScan scan_;
    std::vector<ParsedMessage> messages_;
};

/// Parses a part of an open file. Throws std::system_error.
std::vector<ParsedMessage> parse_file(int file, const MailboxForm& form, std::uint64_t offset,
                                      std::uint64_t end);

}  // namespace postoffice
