// Random numbers from the kernel, for what an outsider must not guess. Fits the standard algorithms
// (UniformRandomBitGenerator), for instance std::shuffle.
#pragma once

#include <cstdint>
#include <limits>

namespace postoffice {

struct KernelRandom {
    using result_type = std::uint32_t;
    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
    /// Throws std::system_error.
    result_type operator()() const;
};

}  // namespace postoffice
