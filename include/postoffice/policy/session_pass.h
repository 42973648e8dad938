// What shows the authenticator which session process asks. A captured process can fork, and choose the parent
// of its children (CLONE_PARENT), so the process id of a request says nothing. The listener gives each
// session process a pass; it has the key, the authenticator has it, and the session processes do not.
#pragma once

#include <array>
#include <cstdint>

namespace postoffice {

struct SessionPass {
    std::uint64_t number = 0;  ///< of the session process; never given twice
    std::uint64_t seal = 0;    ///< fits this number alone
};

class PassKey {
  public:
    /// A new one. Throws std::system_error.
    PassKey();
    SessionPass pass_for(std::uint64_t number) const;
    bool has_sealed(const SessionPass& pass) const;
    /// For a process that must not make passes, after the fork.
    void wipe() noexcept;

  private:
    std::array<std::uint64_t, 2> key_{};
};

}  // namespace postoffice
