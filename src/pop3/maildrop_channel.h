// The mailbox of the user that has logged in, as the session reaches it: through an agent, which is a process
// of that user (maildrop/maildrop_protocol.h).
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "answer.h"
#include "postoffice/local/agent_socket.h"
#include "postoffice/local/spawner_handle.h"
#include "postoffice/maildrop/maildrop.h"
#include "postoffice/maildrop/maildrop_protocol.h"

namespace postoffice {

/// Why the mailbox cannot be had.
class MaildropRefused : public std::runtime_error {
  public:
    MaildropRefused(MaildropStatus status, const std::string& text)
        : std::runtime_error(text), status_(status) {}
    MaildropStatus status() const { return status_; }

  private:
    MaildropStatus status_;
};

/// The refusal in the words of RFC 2449 and RFC 3206.
Pop3Answer refusal_of(const MaildropRefused& error);

class MaildropChannel {
  public:
    /// Waits a minute at most, since the mailbox may be locked. Throws MaildropRefused.
    MaildropChannel(const SpawnerHandle& spawner, const MailboxTicket& ticket);

    const std::vector<MaildropEntry>& entries() const { return entries_; }
    /// Gives the message to `sink` piece by piece. Throws MaildropRefused before the first piece; PeerGone or
    /// Timeout if the agent ends, or falls silent, in the middle.
    void read(std::size_t index, std::uint64_t body_lines, const std::function<void(std::string_view)>& sink);
    /// `changes`: of all messages, or none. Returns how many of the messages to be deleted are gone; another
    /// session can open the mailbox then. Throws MaildropRefused. The last call.
    std::size_t update(const MaildropChanges& changes);

  private:
    template <class T>
    T receive(std::span<std::byte> into) const;
    void receive_items(std::size_t count);
    MaildropAnswer ask(const MaildropRead& request) const;

    AgentSocket socket_;
    std::vector<MaildropEntry> entries_;
    std::vector<std::byte> piece_;
};

}  // namespace postoffice
