// The journal of a queued message: a text file that is only ever appended to. The envelope comes first,
// closed by an end mark; then the message itself, if it is small; then a line for each event. spool(5) has
// the format; `cat` tells the story. Nothing a client says can forge a line: in the envelope and in events it
// is escaped as \n, \\ or \xHH, and of a message the envelope says how many octets it has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"

namespace postoffice {

/// Where one recipient of a queued message stands, as its journal tells.
struct RecipientState {
    enum class Status { waiting, delivered, failed } status = Status::waiting;
    unsigned attempts = 0;
    DeliveryResult last;        ///< of the last attempt, or why there was none; without a text: neither yet
    UnixTime last_attempt = 0;  ///< when that was; 0: there was none
    bool reported = false;      ///< the sender has been told what became of it, or is not to be told by us
    bool warned = false;        ///< the sender has been told that it takes long, or is not to be told
};

/// What a journal says.
struct Journal {
    std::string id;
    Envelope envelope;
    std::optional<std::uint64_t> size;       ///< octets that the message has if it is whole
    std::optional<std::uint64_t> checksum;   ///< Message::checksum() of it then
    std::size_t message_at = 0;              ///< where it begins in the journal; 0: it has a file of its own
    std::vector<RecipientState> recipients;  ///< parallel to envelope.recipients
    UnixTime next_attempt = 0;               ///< 0 = at once
    unsigned attempts = 0;                   ///< rounds so far
    std::optional<std::string> held;         ///< why; empty unless held
    Seconds uncounted{0};                    ///< as uncounted_until() the last attempt

    /// The time until `now` in which nothing could be tried: what passed later than a day after attempts were
    /// due, and before they came. The host was off, its clock jumped, or the message was on hold.
    Seconds uncounted_until(UnixTime now) const;
    std::size_t waiting() const;  ///< recipients without a final outcome
    bool is_finished() const;     ///< nothing is waiting, and nothing is left to report
    /// Recipient `index` failed, or was delivered to and its sender asked to hear of that; and it was not
    /// reported yet.
    bool is_to_report(std::size_t index) const;
};

/// The message of this journal is, was or will be at this destination. One that failed for another address
/// does not count: what leads there now has yet to be told of it.
bool leads_there_already(const Journal& journal, const Recipient& recipient);

/// Text of the envelope part, with its end mark. `size`, `checksum`: of the message, see Message.
std::string journal_header(const std::string& id, const Envelope& envelope,
                           std::optional<std::uint64_t> size = std::nullopt,
                           std::optional<std::uint64_t> checksum = std::nullopt);
/// The same with the message behind it, which ends with an end mark, too.
std::string journal_with_message(const std::string& id, const Envelope& envelope, std::string_view message,
                                 std::optional<std::uint64_t> checksum = std::nullopt);
/// Throws FormatError: not a journal, one without its end mark, or with a message that is not whole. Events
/// that do not parse are skipped; a last line without newline is ignored. `text` may hold anything.
Journal parse_journal(std::string_view text);
/// What people read of it: the text without the message. Throws as parse_journal().
std::string journal_without_message(std::string_view text);
/// True for what is left when the writing of the envelope is cut short: a journal, but without end mark.
bool journal_is_unfinished(std::string_view text);

/// Events, one line each without stamp and newline. Recipients count from 0 here and from 1 in the file.
namespace journal_event {
/// A destination that an address of the envelope leads to since the message was queued: recipient `index`. It
/// is ignored if the message is there already, see leads_there_already().
std::string added(std::size_t index, const Recipient& recipient);
std::string result(std::size_t index, const DeliveryResult& result);
std::string reported(std::size_t index, std::string_view text);
std::string warned(std::size_t index, std::string_view text);
/// No attempt was made for this recipient, for this reason, which another message met.
std::string postponed(std::size_t index, const DeliveryResult& why);
/// The next attempt, after a round that was made.
std::string retry_at(UnixTime when);
/// The next attempt, where none was made.
std::string due_at(UnixTime when);
std::string held(std::string_view reason);
std::string released();
}  // namespace journal_event

/// Takes in the events in all whole lines of `text`; those that do not parse are skipped. Returns how many
/// octets these lines are.
std::size_t apply_journal_events(Journal& journal, std::string_view text);
/// Takes one event that happened at `when` into the journal's state; false if it does not parse.
bool apply_journal_event(Journal& journal, UnixTime when, std::string_view event);

}  // namespace postoffice
