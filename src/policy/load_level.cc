#include "postoffice/policy/load_level.h"

#include <algorithm>
#include <new>

namespace postoffice {
namespace {

constexpr std::uint32_t calm = 80;
constexpr Milliseconds least_patience{10'000};

}  // namespace

LoadLevel::LoadLevel()
    : memory_(sizeof *percent_), percent_(new (memory_.data()) std::atomic<std::uint32_t>(0)) {}

void LoadLevel::set(std::size_t clients, std::size_t most) {
    percent_->store(
        static_cast<std::uint32_t>(std::min(clients, most) * 100 / std::max<std::size_t>(most, 1)));
}

bool LoadLevel::is_high() const {
    return percent_->load() > calm;
}

Milliseconds LoadLevel::shortened(Milliseconds patience) const {
    const std::uint32_t percent = std::min<std::uint32_t>(percent_->load(), 100);
    if (percent <= calm) return patience;
    const auto whole = 10 * (100 - calm), rest = whole - 9 * (percent - calm);
    return std::min(patience, std::max(least_patience, patience * rest / whole));
}

}  // namespace postoffice
