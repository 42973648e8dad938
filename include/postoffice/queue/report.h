// What this program writes to persons: reports of what became of mail, answers, warnings to postmaster. All
// have the same header, say that a program wrote them (RFC 3834), and are sent from the null path.
#pragma once

#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/queue/message.h"

namespace postoffice {

struct ReportHeader {
    std::string id;  ///< queue id of the report; its Message-ID and boundary are made of it
    std::string hostname;
    Address to;
    std::string subject;
    UnixTime now = 0;
    std::string from_name = "Mail Delivery System";
    Address from = {};             ///< null: MAILER-DAEMON at `hostname`
    std::string more_fields = {};  ///< whole lines, as thread_fields() gives them
    bool is_answer = true;         ///< to mail; otherwise nothing that the reader sent is behind it
    bool needs_received = true;    ///< false where another process takes it in and adds the field
};

/// In-Reply-To and References, by which a mail reader shows a report next to the message that it is about
/// (RFC 5322 section 3.6.4). `message`: its header at least. "" if it has no Message-ID.
std::string thread_fields(std::string_view message);

/// One line of printable text, whatever another host said: blanks for line ends, '?' for other controls and
/// for what is no UTF-8.
std::string text_line(std::string_view text);

/// A report of one part: plain text.
std::string plain_report(const ReportHeader& header, std::string_view text);

/// A report of several parts, written into an empty message as they are added. RFC 2046 section 5.1.
class MultipartReport {
  public:
    /// `boundary`: see boundary_for(). Keeps a reference to `message`.
    MultipartReport(Message& message, std::string boundary)
        : message_(message), boundary_(std::move(boundary)) {}

    /// `type`: "multipart/mixed" or the like with its parameters. `is_eight_bit`: a part has octets beyond
    /// ASCII, or may have them.
    void begin(const ReportHeader& header, std::string_view type, bool is_eight_bit);
    void begin_part(std::string_view type, bool is_eight_bit);
    /// Part of a part; whole lines.
    void append(std::string_view text) { message_.append(text); }
    /// A part as a whole.
    void add(std::string_view type, std::string_view text);
    /// The same for text that people read.
    void add_text(std::string_view text);
    void end();

  private:
    Message& message_;
    const std::string boundary_;
};

/// A boundary that is no line of `text`, for the report with this id.
std::string boundary_for(const std::string& id, std::string_view text = {});

}  // namespace postoffice
