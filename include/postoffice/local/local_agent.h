// The local agent: a process that has become one user and appends messages to that user's mailbox, or to that
// of a virtual user; or one that tells what the files of a virtual domain say. Requests that wait together
// share one lock and one sync.
//
// An agent ends when it is idle, when the spawner closes its control socket, or on SIGTERM, and always in the
// same way: it shuts its sockets for reading, so that a later request fails at its sender and can be sent to
// another agent; it serves what was already queued; and it closes a socket when that has been read to its
// end.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "postoffice/base/accounts.h"
#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/config/config.h"
#include "postoffice/local/mailbox.h"
#include "postoffice/routing/domain_files.h"

namespace postoffice {

/// Requests that share one lock and one sync, at most.
inline constexpr std::size_t most_in_batch = 64;
/// Channels of one agent, at most; the one silent for longest makes room.
inline constexpr std::size_t most_agent_channels = 512;
/// A client that has no answer in time leaves its message to the queue, and the agent may deliver it all the
/// same. So many answers are kept for the next request about the same message, which is then not delivered
/// again.
inline constexpr std::size_t most_kept_answers = 256;
/// An agent that cannot finish a batch in this time is stuck, and ended by the kernel (SIGALRM).
inline constexpr Seconds batch_patience{300};

/// What one agent is there for. Anything else that it is asked for ends the channel.
struct AgentDuty {
    std::string name;                           ///< for the log: "bob", "vera@virtual.example"
    std::unique_ptr<Mailbox> mailbox;           ///< null: it takes no mail
    std::unique_ptr<Mailbox> forbidden_folder;  ///< null if there is none
    std::unique_ptr<Mailbox> spam_folder;       ///< the same
    std::optional<Account> account;             ///< it answers questions about the delivery files of this one
    MailboxGroup group;                         ///< that it was given beside its own
    std::unique_ptr<DomainFiles> domain;        ///< null: it knows of no domain
    /// Set if the mailbox is one in a virtual domain.
    struct VirtualMailbox {
        std::string user, domain;
    };
    std::optional<VirtualMailbox> virtual_mailbox = {};
};

/// All that an account's own agent does.
AgentDuty duty_of_account(const Config& config, const Account& account, const MailboxGroup& group);

/// Serves until nothing was asked for `idle`, or `control` is at its end. `control`: ChannelHandovers. The
/// caller has become the right user already. Returns the exit status.
int run_local_agent(const Config& config, AgentDuty duty, Fd control, Seconds idle);

}  // namespace postoffice
