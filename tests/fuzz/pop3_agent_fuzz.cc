// A captured agent of a mailbox: whatever it sends, the session says that the mailbox cannot be had, or
// passes text on, and ends.
#include <sys/socket.h>

#include <cstdint>
#include <string_view>
#include <thread>

#include "../../src/pop3/maildrop_channel.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/request_socket.h"

namespace {

using namespace postoffice;

/// Takes the channel out of the request, and sends the input in packets of the lengths that it says itself.
void lie(int requests, std::string_view input) {
    SpawnRequest request;
    auto packet = receive_packet(requests, std::as_writable_bytes(std::span(&request, 1)));
    if (!packet || packet->descriptors.empty()) return;
    const Fd channel = std::move(packet->descriptors.front());
    while (input.size() > 2) {
        const std::size_t length =
            1 + static_cast<unsigned char>(input[0]) * 256 + static_cast<unsigned char>(input[1]);
        input.remove_prefix(2);
        const auto part = input.substr(0, length);
        try {
            if (send_packet_now(channel.get(), std::as_bytes(std::span(part))) != Sent::yes) return;
        } catch (const std::system_error&) {
            return;
        }
        input.remove_prefix(part.size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const bool is_open = (open_log("/dev/null", "fuzz"), true);
    (void)is_open;
    const RequestSocket requests = make_request_socket();
    std::thread agent([&] { lie(requests.reader.get(), {reinterpret_cast<const char*>(data), size}); });
    try {
        MaildropChannel channel(SpawnerHandle(requests.handle), MailboxTicket());
        std::size_t octets = 0;
        channel.read(0, MaildropRead::whole, [&](std::string_view piece) { octets += piece.size(); });
        MaildropChanges changes{std::vector<bool>(channel.entries().size()),
                                std::vector<bool>(channel.entries().size())};
        (void)channel.update(changes);
    } catch (const MaildropRefused&) {
    } catch (const PeerGone&) {
    } catch (const FormatError&) {
    }
    agent.join();
    return 0;
}
