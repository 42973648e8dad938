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
#include "postoffice/mail/acceptance.h"
#include "postoffice/mail/user_files.h"

namespace postoffice {

class AgentChannels final : public LocalDelivery {
  public:
    /// `spawner`: the slot of its letterbox, not owned. `patience`: for one call of deliver().
    /// `command_timeout`: how long one instruction may take.
    AgentChannels(int spawner, Milliseconds patience, Seconds command_timeout = Seconds{600});
    /// A request that no agent received is sent again, to another one. One that an agent may have received is
    /// not: if that agent ends without an answer the result is `deferred`, and the message may arrive twice.
    std::vector<DeliveryResult> deliver(const std::vector<MailboxDelivery>& deliveries, int message) override;
    /// Waits as long as its agent may take, whatever the patience.
    DeliveryResult carry_out(const InstructionDelivery& delivery, int message) override;
    /// What the account's delivery files say, read with its rights. Does not throw: Status::trouble.
    UserFile find_file(const std::string& user, const WantedFile& wanted);

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
    Channel& channel_to(const std::string& user, const Deadline& deadline);
    std::optional<UserFile> ask_for_file(Channel& channel, const WantedFile& wanted,
                                         const Deadline& deadline);

    int spawner_;
    Milliseconds patience_;
    Seconds command_timeout_;
    std::map<std::string, Channel> channels_;
    std::uint64_t uses_ = 0;
};

/// Delivery files for the router of an unprivileged process: what everybody may see it reads itself, the rest
/// the account's own agent tells it.
class AgentFiles final : public UserFiles {
  public:
    AgentFiles(const Config& config, AgentChannels& channels) : own_eyes_(config), channels_(channels) {}
    UserFile find(const Account& account, const WantedFile& wanted) override;

  private:
    OwnEyes own_eyes_;
    AgentChannels& channels_;
};

}  // namespace postoffice
