// Fixed binary structs, and descriptors with them, over a SOCK_SEQPACKET socketpair (DESIGN: requests
// between processes are structs, so no process parses what another one composed).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"

namespace postoffice {

/// Most descriptors in one packet.
inline constexpr std::size_t max_packet_descriptors = 4;

/// Sends one packet. Throws PeerGone if no process holds the other end, std::system_error otherwise.
void send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors = {});

struct Packet {
    std::size_t size = 0;         ///< octets received; 0 only at end of file
    std::vector<Fd> descriptors;  ///< close-on-exec
};

/// Waits for one packet until `deadline` (for ever without one). nullopt at end of file: every holder of
/// the other end is gone. Throws Timeout; std::system_error, also for a packet that does not fit `into`.
std::optional<Packet> receive_packet(int socket, std::span<std::byte> into,
                                     std::optional<Deadline> deadline = std::nullopt);

/// For servers of processes that may be captured: neither of these ever waits, whatever a peer does that
/// keeps a copy of our end of the socket.
enum class Sent { yes, full, gone };
Sent send_packet_now(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors = {});

struct PacketArrival {
    /// unusable: a packet was there, but it is empty, larger than `into`, or has too many descriptors, all of
    /// which are in `packet`: how long closing one takes, its sender decides (base/foreign_descriptors.h).
    enum class Kind { packet, nothing, unusable, end } kind = Kind::nothing;
    Packet packet;
};
PacketArrival receive_packet_now(int socket, std::span<std::byte> into);

/// False for a struct that begins with the tag of another kind: of a foreign or captured peer. Structs
/// without T::own_tag are told by their size alone.
template <class T>
bool has_own_tag(const T& value) {
    if constexpr (requires { T::own_tag; }) {
        static_assert(offsetof(T, tag) == 0);
        return value.tag == T::own_tag;
    } else {
        return true;
    }
}

template <class T>
void send_struct(int socket, const T& value, std::span<const int> descriptors = {}) {
    static_assert(std::is_trivially_copyable_v<T>);
    send_packet(socket, std::as_bytes(std::span(&value, 1)), descriptors);
}

template <class T>
struct ReceivedStruct {
    T value;
    std::vector<Fd> descriptors;
};

/// What has come by now, if anything: for a caller that waits for many sockets, one of which may be closed
/// by now and its number in use again. Of another size or tag than T: unusable.
template <class T>
struct StructArrival {
    PacketArrival::Kind kind = PacketArrival::Kind::nothing;
    T value{};
    std::vector<Fd> descriptors{};
};
template <class T>
StructArrival<T> receive_struct_now(int socket) {
    static_assert(std::is_trivially_copyable_v<T>);
    StructArrival<T> result;
    PacketArrival arrival = receive_packet_now(socket, std::as_writable_bytes(std::span(&result.value, 1)));
    const bool is_other = arrival.kind == PacketArrival::Kind::packet &&
                          (arrival.packet.size != sizeof(T) || !has_own_tag(result.value));
    result.kind = is_other ? PacketArrival::Kind::unusable : arrival.kind;
    result.descriptors = std::move(arrival.packet.descriptors);
    return result;
}

/// nullopt at end of file or if the packet has another size or tag than T (a foreign or captured peer).
template <class T>
std::optional<ReceivedStruct<T>> receive_struct(int socket, std::optional<Deadline> deadline = std::nullopt) {
    static_assert(std::is_trivially_copyable_v<T>);
    ReceivedStruct<T> received{};
    auto packet = receive_packet(socket, std::as_writable_bytes(std::span(&received.value, 1)), deadline);
    if (!packet || packet->size != sizeof(T) || !has_own_tag(received.value)) return std::nullopt;
    received.descriptors = std::move(packet->descriptors);
    return received;
}

/// One of several structs, each of which begins with its T::own_tag. nullopt if the packet has another tag,
/// or another size than the struct with this tag.
template <class... T>
std::optional<std::variant<T...>> parse_tagged(std::span<const std::byte> packet) {
    using Tag = std::common_type_t<std::remove_const_t<decltype(T::own_tag)>...>;
    std::optional<std::variant<T...>> result;
    Tag tag{};
    if (packet.size() < sizeof tag) return result;
    std::memcpy(&tag, packet.data(), sizeof tag);
    const auto is = [&]<class One>(std::in_place_type_t<One> type) {
        static_assert(std::is_trivially_copyable_v<One> && offsetof(One, tag) == 0);
        if (tag != One::own_tag || packet.size() != sizeof(One)) return false;
        std::memcpy(static_cast<void*>(&std::get<One>(result.emplace(type))), packet.data(), sizeof(One));
        return true;
    };
    (void)(is(std::in_place_type<T>) || ...);
    return result;
}

/// A string of at most N-1 octets inside a fixed struct; always NUL-terminated, whatever the sender wrote.
template <std::size_t N>
struct FixedString {
    char bytes[N] = {};

    /// False, and unchanged, if it does not fit or holds a NUL.
    [[nodiscard]] bool assign(std::string_view text) {
        if (text.size() >= N || text.find('\0') != std::string_view::npos) return false;
        std::memset(bytes, 0, N);
        std::memcpy(bytes, text.data(), text.size());
        return true;
    }
    /// Cut to what fits.
    void assign_cut(std::string_view text) { (void)assign(text.substr(0, std::min(N - 1, text.find('\0')))); }
    std::string str() const { return std::string(bytes, ::strnlen(bytes, N - 1)); }
};

}  // namespace postoffice
