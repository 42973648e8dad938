// What a session knows between two commands outside a transaction: one small flat struct apart from the
// connection, so that a silent client can be parked with the listener and taken up by another process.
#pragma once

#include <cstdint>

#include "postoffice/base/packet.h"
#include "postoffice/policy/client.h"
#include "postoffice/policy/dns_lists.h"
#include "postoffice/policy/session_penalties.h"

namespace postoffice {

struct SessionState {
    enum class Phase : std::uint8_t {
        announced,  ///< a front end connected: its PROXY header names the client
        arrived,    ///< nothing was said yet
        greeted,    ///< 220 was sent
        refused,    ///< 554 was sent: only QUIT is answered kindly
        timed_out,  ///< was parked and its patience ran out: say 421 and close
    } phase = Phase::arrived;
    std::uint8_t extended = 0;  ///< EHLO was said
    std::uint8_t awaits_tls =
        0;  ///< the client's next octet begins TLS: STARTTLS was answered, or `listen` has `tls`
    std::uint8_t submission = 0;  ///< came to a listener for users: TLS and AUTH before any mail
    std::uint8_t pop3 = 0;        ///< came to a listener for POP3; else SMTP is spoken
    NameStatus name_status = NameStatus::unasked;  ///< how sure client_name is
    ListStatus list_status = ListStatus::unasked;  ///< what the DNS lists say, once they were asked
    std::uint16_t errors = 0;                      ///< commands refused so far
    std::uint32_t messages = 0;                    ///< accepted so far
    std::uint32_t failed_filters = 0;              ///< as FilterChain::failed() has it
    SessionPenalties penalties;                    ///< what else may count against the client
    FixedString<64> client_address;                ///< "192.0.2.1"; empty: standard input, not a socket
    FixedString<256> client_name;                  ///< verified host name or "unknown"; set once greeted
    FixedString<256> helo;                         ///< as the client said it; empty before HELO
    /// Why hosts.deny does not want this client, which `forbidden` lets in all the same; empty: it is
    /// welcome.
    FixedString<256> forbidden;
    FixedString<256> listed;       ///< what a DNS list has against it
    FixedString<256> user;         ///< the name that the client has logged in with; empty: none
    FixedString<256> pop3_domain;  ///< of POP3 logins that name none; empty: accounts of this host
};

enum class SessionEnd {
    clean,    ///< QUIT after a well-behaved dialogue: the process may serve another client
    unclean,  ///< anything else: the process exits
    parked,   ///< silent outside a transaction: the connection goes back to the listener with the state
};

}  // namespace postoffice
