// The keys of TLS session tickets (RFC 5077, RFC 8446 section 4.6.1). One process makes them anew from time
// to time; all that serve clients read them in memory that they share with it and cannot write. A key is
// replaced after an hour and known for one hour more, so that a ticket is good for as long as it says; then
// nothing that this host keeps opens what was recorded of the sessions that were resumed with it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

struct ssl_ctx_st;

namespace postoffice {

inline constexpr std::chrono::hours ticket_key_life{1};

struct TicketKey {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;  ///< AES-256-CBC
    std::array<unsigned char, 32> mac;     ///< HMAC-SHA-256
};

class TicketKeys {
  public:
    /// With a first key. Throws std::system_error.
    TicketKeys();
    ~TicketKeys();
    TicketKeys(const TicketKeys&) = delete;
    TicketKeys& operator=(const TicketKeys&) = delete;

    /// A new key; the last one is the previous one from now on. By one process alone. Throws
    /// std::system_error.
    void rotate();
    /// The same if the newest key has had its time.
    void rotate_when_due();
    /// From now on this process, and its children, can read the keys only.
    void become_reader();

    struct Known {
        TicketKey newest, previous;
    };
    /// nullopt: they are being written, and are not there a moment later either.
    std::optional<Known> read() const;

  private:
    static constexpr std::size_t words = sizeof(Known) / sizeof(std::uint64_t);
    struct Shared {
        std::atomic<std::uint32_t> changes;  ///< odd: the words are being written
        std::array<std::atomic<std::uint64_t>, words> text;
    };
    static_assert(sizeof(Known) % sizeof(std::uint64_t) == 0);
    void map(int protection);

    int file_;
    Shared* shared_ = nullptr;
    std::chrono::steady_clock::time_point newest_since_{};
};

/// Has the context write and read tickets with these keys, which outlive it.
void use_ticket_keys(ssl_ctx_st* context, TicketKeys& keys);

}  // namespace postoffice
