// Local delivery as unprivileged processes (sessions, queue agents) do it: asks the spawner for a channel to
// the user's agent once, keeps the channel a while, and sends messages over it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/delivery/local_delivery.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/routing/user_files.h"

namespace postoffice {

class AgentChannels final : public LocalDelivery {
  public:
    /// `spawner`: the handle of its request socket, not owned. `patience`: for one question, and for what
    /// deliver() does at a time. `command_timeout`: how long one instruction may take. `avoidance`: so long
    /// an agent that did not answer in time is not asked again, and what is for it is unanswered at once.
    AgentChannels(int spawner, Milliseconds patience, Seconds command_timeout = Seconds{600},
                  Milliseconds avoidance = Milliseconds{0});
    /// A request that no agent received is sent again, to another one. One that an agent may have received is
    /// not: if that agent ends without an answer the result is `deferred`, and the message may arrive twice.
    std::vector<DeliveryResult> deliver(const std::vector<MailboxDelivery>& deliveries, int message) override;
    /// Waits as long as its agent may take, whatever the patience.
    DeliveryResult carry_out(const InstructionDelivery& delivery, int message) override;
    /// What the account's delivery files say, read with its rights. Does not throw: Status::trouble.
    UserFile find_file(const std::string& user, const WantedFile& wanted);
    /// What the files of a virtual domain say of a name, read with its owner's rights. Does not throw:
    /// Status::trouble.
    DomainEntry domain_entry(const std::string& domain, const std::string& name);

    /// Asks the agent of a virtual mailbox. Does not throw: no_permission, also if it takes long.
    MailboxState virtual_mailbox(const std::string& user, const std::string& domain);

    /// Channels kept at most, and users served at a time; the least recently used goes first.
    static constexpr std::size_t most_channels = 8;
    /// Requests on one channel that wait for their answers, at most: fewer than what a socket holds.
    static constexpr std::size_t most_unanswered = 16;
    /// Of the agents of one call of deliver(), those that are waited for until patience ends, at most.
    static constexpr unsigned most_timeouts = 2;

  private:
    /// Whom a channel leads to.
    struct AgentName {
        SpawnRequest::Purpose purpose = SpawnRequest::Purpose::mailbox;
        std::string user;
        auto operator<=>(const AgentName&) const = default;
    };
    struct Call;
    struct AgentBatch;
    struct Channel {
        Fd socket;
        std::uint64_t last_use = 0;
    };
    std::vector<AgentBatch> next_batches(Call& call) const;
    void give_up(Call& call, const AgentBatch& batch, const DeliveryResult& why);
    bool is_avoided(const AgentName& agent);
    void avoid(const AgentName& agent);
    Milliseconds patience() const;
    void send(Call& call, AgentBatch& batch);
    void collect(Call& call, AgentBatch& batch);
    static AgentName agent_for(const MailboxDelivery& delivery);
    Channel& channel_to(const AgentName& agent, const Deadline& deadline);
    template <class Answer, class Request>
    ReceivedStruct<Answer> ask(const AgentName& agent, const Request& request);

    int spawner_;
    Milliseconds patience_;
    Seconds command_timeout_;
    Milliseconds avoidance_;
    std::map<AgentName, Deadline> avoided_;
    std::map<AgentName, Channel> channels_;
    std::uint64_t uses_ = 0;
};

/// Delivery files, and those of virtual domains, for the router of an unprivileged process: what everybody
/// may see it reads itself, the rest their owner's agent tells it.
class DelegatedUserFiles final : public UserFiles {
  public:
    DelegatedUserFiles(const Config& config, AgentChannels& channels)
        : config_(config), direct_(config), channels_(channels) {}
    UserFile find(const Account& account, const WantedFile& wanted) override;
    DomainEntry domain_entry(const std::string& folder, const VirtualDomain& domain,
                             const std::string& name) override;
    MailboxState virtual_mailbox(const std::string& user, const VirtualDomain& domain) override;

  private:
    const Config& config_;
    DirectUserFiles direct_;
    AgentChannels& channels_;
};

}  // namespace postoffice
