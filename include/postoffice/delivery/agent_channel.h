// Local delivery as unprivileged processes (sessions, queue agents) do it: asks the spawner for a channel to
// the user's agent once, keeps the channel a while, and sends messages over it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/mail/acceptance.h"

namespace postoffice {

class AgentChannels final : public LocalDelivery {
  public:
    /// `spawner`: the shared request socket, not owned. `patience`: for one delivery.
    AgentChannels(int spawner, Milliseconds patience);
    std::vector<DeliveryResult> deliver(const std::vector<MailboxDelivery>& deliveries, int message) override;

    /// Channels kept at most; the least recently used goes first.
    static constexpr std::size_t most_channels = 8;

  private:
    struct Channel {
        Fd socket;
        std::uint64_t last_use = 0;
    };
    Channel& channel_to(const std::string& user);

    int spawner_;
    Milliseconds patience_;
    std::map<std::string, Channel> channels_;
    std::uint64_t uses_ = 0;
};

}  // namespace postoffice
