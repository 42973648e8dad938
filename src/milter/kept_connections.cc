#include "postoffice/milter/kept_connections.h"

#include <algorithm>

#include "filter_connection.h"

namespace postoffice {

KeptConnections::KeptConnections() = default;
KeptConnections::~KeptConnections() {
    close_idle();
}

bool KeptConnections::is_connected() const {
    return std::any_of(all_.begin(), all_.end(),
                       [](const auto& kept) { return kept->connection != nullptr; });
}

void KeptConnections::close_idle() noexcept {
    for (const auto& kept : all_) {
        if (kept->connection != nullptr) kept->connection->quit();
        kept->connection.reset();
    }
}

milter::KeptConnection& KeptConnections::of(std::size_t number) {
    while (all_.size() <= number) all_.push_back(std::make_unique<milter::KeptConnection>());
    return *all_[number];
}

}  // namespace postoffice
