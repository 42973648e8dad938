// The client's side of one SASL mechanism (RFC 4422), as SmtpClient::log_in() goes through it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

class SaslExchange {
  public:
    virtual ~SaslExchange() = default;
    /// As AUTH names it: "SCRAM-SHA-256".
    virtual std::string_view mechanism() const = 0;
    /// Octets that go with the command; nullopt: the server speaks first.
    virtual std::optional<std::string> initial_response() = 0;
    /// What answers these octets of the server; nullopt: nothing does, the exchange is cancelled.
    virtual std::optional<std::string> respond(std::string_view challenge) = 0;
    /// The server has proved as much as it must before its 235 is believed.
    virtual bool is_satisfied() const { return true; }
};

}  // namespace postoffice
