// Remote delivery to one destination (a domain, or the relay host): walks its mail hosts, keeps the
// connection for the next message, and turns every kind of trouble into results.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/net/resolver.h"
#include "postoffice/smtp/client.h"

namespace postoffice {

class RemoteDelivery {
  public:
    /// `destination`: lower-case domain or address literal, or "" for the relay host. Keeps the references.
    RemoteDelivery(const Config& config, const Resolver& resolver, std::string destination,
                   std::function<void(const std::string&)> talk = {});
    ~RemoteDelivery();

    struct Outcome {
        std::vector<DeliveryResult> results;  ///< parallel to the recipients
        bool destination_is_down = false;     ///< no host could be reached: do not try more messages now
    };
    /// One message to these recipients; `message`: open for reading. Does not throw.
    Outcome deliver(const Address& sender, const std::vector<Address>& recipients, Body body, int message,
                    std::uint64_t size);
    /// Says QUIT to a connection that is kept.
    void close();

  private:
    struct Attempt;
    const Config& config_;
    const Resolver& resolver_;
    std::string destination_;
    std::function<void(const std::string&)> talk_;
    std::unique_ptr<SmtpClient> client_;
};

}  // namespace postoffice
