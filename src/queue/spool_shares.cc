#include "postoffice/queue/spool_shares.h"

#include <unistd.h>

#include <atomic>
#include <functional>

namespace postoffice {

struct SpoolShares::Place {
    std::atomic<pid_t> process;  ///< 0: the place is free
    std::atomic<std::uint64_t> owner;
    std::atomic<std::uint64_t> octets;
};

SpoolShares::SpoolShares(std::size_t places)
    : count_(places), memory_(places * sizeof(Place)), places_(static_cast<Place*>(memory_.data())) {}

std::uint64_t SpoolShares::held_by(std::uint64_t owner) const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count_; ++i)
        if (places_[i].process.load() != 0 && places_[i].owner.load() == owner)
            sum += places_[i].octets.load();
    return sum;
}

SpoolShares::Place* SpoolShares::claim(std::uint64_t owner) const {
    for (std::size_t i = 0; i < count_; ++i) {
        Place& place = places_[i];
        pid_t none = 0;
        if (!place.process.compare_exchange_strong(none, ::getpid())) continue;
        place.octets.store(0);
        place.owner.store(owner);
        return &place;
    }
    return nullptr;
}

void SpoolShares::release(pid_t process) {
    for (std::size_t i = 0; i < count_; ++i) {
        if (places_[i].process.load() != process) continue;
        places_[i].octets.store(0);
        places_[i].process.store(0);
    }
}

SpoolShare::SpoolShare(SpoolShares& shares, std::string_view owner)
    : shares_(shares), owner_(std::hash<std::string_view>()(owner)) {}

SpoolShare::~SpoolShare() {
    if (place_ == nullptr) return;
    place_->octets.store(0);
    place_->process.store(0);
}

bool SpoolShare::hold(std::uint64_t octets, std::uint64_t free) {
    if (place_ == nullptr && octets > 0) place_ = shares_.claim(owner_);
    if (place_ == nullptr) return octets <= free;
    place_->octets.store(octets);
    return shares_.held_by(owner_) <= free;
}

}  // namespace postoffice
