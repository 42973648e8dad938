// The STS fetcher, as a queue agent reaches it: by the handle of its request socket. The fetcher gets
// policies of MTA-STS (RFC 8461) from the web servers of other domains, so that no process with mail talks to
// these.
#pragma once

#include <cstdint>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/packet.h"
#include "postoffice/base/result.h"
#include "postoffice/outbound/sts_policy.h"

namespace postoffice {

/// A queue agent to the fetcher. Descriptor: a packet socket for the answer.
struct StsFetchRequest {
    FixedString<256> domain;  ///< A-labels
};

/// The fetcher to the agent.
struct StsFetchAnswer {
    std::uint8_t is_fetched = 0;
    /// The file; or the reason why there is none, in words.
    FixedString<longest_sts_policy + 1> text;
};

class StsFetcherHandle {
  public:
    /// Reaches no fetcher: every fetch fails.
    StsFetcherHandle() = default;
    /// The descriptor stays the caller's.
    explicit StsFetcherHandle(const Fd& handle) : handle_(handle.get()) {}

    /// The text of the policy of this domain; or why it cannot be had, in words. Waits for `patience` at
    /// most. Does not throw.
    Result<std::string> fetch(const std::string& domain) const;
    /// -1 if there is none.
    int fd() const { return handle_; }

    static constexpr Seconds patience{70};  ///< more than the fetcher's own

  private:
    int handle_ = -1;
};

}  // namespace postoffice
