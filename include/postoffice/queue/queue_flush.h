// A host that was away asks for its mail (ETRN, RFC 1985): what waits for it is tried now.
#pragma once

#include <cstddef>
#include <string>

namespace postoffice {

class QueueFlusher {
  public:
    virtual ~QueueFlusher() = default;
    /// Has every message that waits for `domain` tried at once, with `subdomains` for all below it as well.
    /// `domain`: valid, lower case. Returns how many there are. Throws std::system_error.
    virtual std::size_t flush(const std::string& domain, bool subdomains) = 0;
};

}  // namespace postoffice
