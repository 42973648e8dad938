// Mail for mailboxes by the way that `local-transport` says: the users' own agents, or a server that speaks
// LMTP (RFC 2033), as sites have one whose mail outgrows files on one machine. What users' and aliases'
// programs and files get, and the folder of `forbidden`, is the agents' business either way.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/delivery/agent_delivery.h"
#include "postoffice/delivery/local_delivery.h"
#include "postoffice/smtp/client/client.h"

namespace postoffice {

class LocalTransport final : public LocalDelivery {
  public:
    /// Keeps the references. `patience`: for one transaction with the server.
    LocalTransport(const Config& config, AgentChannels& agents, Seconds patience);
    /// With a server, `delivered` means that it took over the responsibility; what it refuses, it refuses in
    /// its own words. A connection that broke after the message was sent is `deferred`, and the message may
    /// arrive twice.
    std::vector<DeliveryResult> deliver(const std::vector<MailboxDelivery>& deliveries, int message) override;
    DeliveryResult carry_out(const InstructionDelivery& delivery, int message) override;

    /// A connection to the server is kept.
    bool is_connected() const { return client_ != nullptr; }
    /// Says goodbye to the server: nothing may come for a while, and it has few places.
    void close_idle();

    /// What the server is told of a recipient: the user, with the extension of the address, if any.
    static Address address_for(const Config& config, const MailboxDelivery& delivery);

  private:
    struct Batch;
    void send(Batch& batch, int message);
    void connect();

    const Config& config_;
    AgentDelivery agents_;
    const Seconds patience_;
    std::unique_ptr<SmtpClient> client_;
};

}  // namespace postoffice
