// The delivery status of a submission for which the submitter waits (sendmail -odi, -v). sendmail makes a
// FIFO in drop/ before the drop itself, and the processes that work on the message write into it. The server
// opens the FIFO by its name, so it takes no descriptor from a user, and the file system says which user owns
// it. Writing never waits: what does not fit into the FIFO is lost. When all writers have closed it, the
// reader is at its end.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"

namespace postoffice {

/// The writing end. Without a FIFO nothing is written, and nothing costs anything.
class StatusWriter {
  public:
    StatusWriter() = default;
    /// `fifo`: as another process of ours sent it, open for writing without waiting. `sees_all`: the reader
    /// may know where aliases and other users' delivery files lead.
    StatusWriter(Fd fifo, bool sees_all) : fifo_(std::move(fifo)), sees_all_(sees_all) {}

    /// Opens the FIFO of this drop and removes its name. Empty if there is none, or it has no reader. Does
    /// not throw.
    static StatusWriter open(const std::string& drop_directory, const std::string& id);
    /// Keeps it only if it is this user's. From then on `sees_all` holds.
    void restrict_to(uid_t owner, bool sees_all);

    explicit operator bool() const { return static_cast<bool>(fifo_); }
    int fd() const { return fifo_.get(); }
    bool sees_all() const { return sees_all_; }
    /// The user that made the FIFO. Throws std::system_error.
    uid_t owner() const;
    /// A process still has the other end.
    bool has_reader() const;

    /// How this recipient is reached is no secret of another user: mail goes to the address that the
    /// submitter wrote, or the submitter may know everything.
    bool may_disclose(const Recipient& recipient) const;
    /// A line of a dialogue.
    void write_transcript(std::string_view line) const;
    /// What an attempt came to, under the address that the submitter wrote; the reply only if may_disclose().
    void report_outcome(const Recipient& recipient, const DeliveryResult& result) const;

  private:
    void write_line(std::string line) const;

    Fd fifo_;
    bool sees_all_ = false;
};

/// One line, as the reader gets it.
struct StatusLine {
    bool is_outcome = false;                                              ///< or a line of a dialogue
    DeliveryResult::Outcome outcome = DeliveryResult::Outcome::deferred;  ///< so far
    std::string recipient;                                                ///< of an outcome
    std::string text;  ///< the line; or the reply, "" where it is not disclosed
    std::string by;    ///< the host that gave the reply; "" if we did
};
/// Without line end. nullopt for what no StatusWriter writes.
std::optional<StatusLine> parse_status_line(std::string_view line);

/// Makes the FIFO of a drop, for its owner and the folder's group, and opens it for reading without waiting.
/// Throws std::system_error.
Fd make_status_fifo(const std::string& drop_directory, const std::string& id);
/// A FIFO stands beside this drop, or something of that name.
bool has_status_fifo(const std::string& drop_directory, const std::string& id);
/// Removes its name, if it is still there. Does not throw.
void remove_status_fifo(const std::string& drop_directory, const std::string& id);
/// Removes FIFOs older than `age`: their makers were killed before the server heard of them. Returns how
/// many. Throws std::system_error.
unsigned sweep_status_fifos(const std::string& drop_directory, Seconds age);

}  // namespace postoffice
