// One question to one DNS server: UDP first, TCP when the answer does not fit. RFC 1035 section 4.2, RFC
// 7766. What makes an answer hard to forge (RFC 5452): each try has a fresh socket, so the kernel picks a
// random port, which only this server can send to, and a random id; what does not fit the question is not an
// answer.
#pragma once

#include <optional>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/result.h"
#include "postoffice/net/dns_message.h"

namespace postoffice {

/// The server's answer, whatever its code; or why there is none within `timeout`, with the server in the
/// text. EDNS0 is taken back at once for a server that does not know it.
Result<DnsMessage> ask_dns_server(const Endpoint& server, const DnsQuestion& question, bool with_edns,
                                  Milliseconds timeout);

/// Several questions at the same time, by UDP alone. Parallel to `questions`: the server's answer, whole and
/// whatever its code, or nothing if there is none by the deadline. Throws std::system_error when we lack
/// sockets or random numbers, FormatError for a question that is no domain name.
std::vector<std::optional<DnsMessage>> ask_together(const Endpoint& server,
                                                    const std::vector<DnsQuestion>& questions,
                                                    Deadline deadline);

}  // namespace postoffice
