// Local delivery as unprivileged processes (sessions, queue agents) do it: asks the spawner for a channel to
// the user's agent once, keeps the channel a while, and sends messages over it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/mail/acceptance.h"

namespace postoffice {

class AgentChannels final : public LocalDelivery {
  public:
    /// `spawner`: the shared request socket, not owned. `patience`: for one call of deliver().
    AgentChannels(int spawner, Milliseconds patience);
    /// A request that no agent received is sent again, to another one. One that an agent may have received is
    /// not: if that agent ends without an answer the result is `deferred`, and the message may arrive twice.
    std::vector<DeliveryResult> deliver(const std::vector<MailboxDelivery>& deliveries, int message) override;

    /// Channels kept at most, and users served at a time; the least recently used goes first.
    static constexpr std::size_t most_channels = 8;
    /// Requests on one channel that wait for their answers, at most: fewer than what a socket holds.
    static constexpr std::size_t most_unanswered = 16;

  private:
    struct Call;
    struct Flight;
    struct Channel {
        Fd socket;
        std::uint64_t last_use = 0;
    };
    std::vector<Flight> next_flights(Call& call) const;
    void send(Call& call, Flight& flight);
    void collect(Call& call, Flight& flight);
    Channel& channel_to(const std::string& user, const Call& call);

    int spawner_;
    Milliseconds patience_;
    std::map<std::string, Channel> channels_;
    std::uint64_t uses_ = 0;
};

}  // namespace postoffice
