// Local delivery by the agents of users: sends messages over their channels, and hears what became of them.
#pragma once

#include <cstddef>
#include <vector>

#include "postoffice/delivery/agent_channels.h"
#include "postoffice/delivery/local_delivery.h"

namespace postoffice {

class AgentDelivery final : public LocalDelivery {
  public:
    /// Keeps the reference.
    explicit AgentDelivery(AgentChannels& channels) : channels_(channels) {}
    /// A request that no agent received is sent again, to another one. One that an agent may have received is
    /// not: if that agent ends without an answer the result is `deferred`, and the message may arrive twice.
    /// What is for an agent that is avoided is unanswered at once.
    std::vector<DeliveryResult> deliver(const std::vector<MailboxDelivery>& deliveries, int message) override;
    /// Waits as long as its agent may take, whatever the patience.
    DeliveryResult carry_out(const InstructionDelivery& delivery, int message) override;

    /// Requests on one channel that wait for their answers, at most: fewer than what a socket holds.
    static constexpr std::size_t most_unanswered = 16;
    /// Of the agents of one call of deliver(), those that are waited for until patience ends, at most.
    static constexpr unsigned most_timeouts = 2;

  private:
    struct Call;
    struct AgentBatch;

    static std::vector<AgentBatch> next_batches(Call& call);
    void give_up(Call& call, const AgentBatch& batch, const DeliveryResult& why);
    void send(Call& call, AgentBatch& batch);
    void collect(Call& call, AgentBatch& batch);

    AgentChannels& channels_;
};

}  // namespace postoffice
