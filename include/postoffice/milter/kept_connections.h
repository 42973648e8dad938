// Connections to filters, between two clients of one process: the filter hears that a client has left and
// another one follows (SMFIC_QUIT_NC), and neither connects nor negotiates again.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace postoffice {

namespace milter {
struct KeptConnection;
}

class KeptConnections {
  public:
    KeptConnections();
    ~KeptConnections();
    KeptConnections(const KeptConnections&) = delete;
    KeptConnections& operator=(const KeptConnections&) = delete;

    /// There is one. Then the process waits for its next client only for a while.
    bool is_connected() const;
    /// Says goodbye to the filters.
    void close_idle() noexcept;
    /// Of filter `number` of the configuration; lives as long as this.
    milter::KeptConnection& of(std::size_t number);

  private:
    std::vector<std::unique_ptr<milter::KeptConnection>> all_;
};

}  // namespace postoffice
