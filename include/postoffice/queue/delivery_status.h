// A submitter who waits for what becomes of his message (sendmail -odi, -v): he leaves a FIFO beside it in
// drop/, before that is there to be found, and whoever works on the message tells it there. The server opens
// the FIFO itself, so it takes no descriptor from anybody, and the file system vouches for whose it is.
// Nobody who tells ever waits: what does not fit into the FIFO is lost. When all who may tell more have
// closed it, the reader is at its end.
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

/// The teller's end. Without a FIFO nothing is told, and nothing costs anything.
class StatusWriter {
  public:
    StatusWriter() = default;
    /// `fifo`: as another process of ours sent it, open for writing without waiting. `sees_all`: the reader
    /// may know where aliases and other users' delivery files lead.
    StatusWriter(Fd fifo, bool sees_all) : fifo_(std::move(fifo)), sees_all_(sees_all) {}

    /// Opens the FIFO of this drop and removes its name. Empty if there is none, or nobody reads it. Does not
    /// throw.
    static StatusWriter open(const std::string& drop_directory, const std::string& id);
    /// Keeps it only if it is this user's. From then on `sees_all` holds.
    void restrict_to(uid_t owner, bool sees_all);

    explicit operator bool() const { return static_cast<bool>(fifo_); }
    int fd() const { return fifo_.get(); }
    bool sees_all() const { return sees_all_; }
    /// Whose FIFO it is. Throws std::system_error.
    uid_t owner() const;
    /// Somebody still has the other end.
    bool has_reader() const;

    /// Nobody's secret is told by how this recipient is reached: his mail goes to the address that the
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
    std::string text;  ///< the line; or the reply, "" where it is not for the reader's eyes
    std::string by;    ///< who gave the reply; "" if we did
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
/// Removes FIFOs older than `age`, whose makers were killed before the server heard of them. Returns how
/// many. Throws std::system_error.
unsigned sweep_status_fifos(const std::string& drop_directory, Seconds age);

}  // namespace postoffice
