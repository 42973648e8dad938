#include "postoffice/delivery/control_commands.h"

#include <algorithm>
#include <utility>

#include "postoffice/base/packet.h"
#include "postoffice/base/text.h"
#include "postoffice/queue/spool.h"

namespace postoffice {
namespace {

constexpr int most_commands = 256;  // before other work gets its turn

}  // namespace

void ControlCommands::read(const OnDrop& on_drop) {
    char text[128];
    for (int count = 0; count < most_commands; ++count) {
        PacketArrival arrival = receive_packet_now(socket_.fd(), std::as_writable_bytes(std::span(text)));
        if (arrival.kind == PacketArrival::Kind::nothing) break;
        foreign_.add(std::move(arrival.packet.descriptors));
        if (arrival.kind == PacketArrival::Kind::packet) handle({text, arrival.packet.size}, on_drop);
    }
    foreign_.close_all();
}

void ControlCommands::handle(std::string_view text, const OnDrop& on_drop) {
    const std::string_view verb = read_until(text, ' ');
    const std::string id(text);
    if (verb == "drop" && is_queue_id(id)) {
        on_drop(id, false);
    } else if (verb == "watch" && is_queue_id(id)) {
        on_drop(id, true);
    } else if (verb == "run") {
        wanted_ = std::max(wanted_, text == "now" ? Wanted::run_now : Wanted::run);
    } else if (verb == "look") {
        wanted_ = std::max(wanted_, Wanted::look);
    }
}

ControlCommands::Wanted ControlCommands::take_wanted() {
    if (wanted_ == Wanted::nothing || last_taken_ == now_unix()) return Wanted::nothing;
    last_taken_ = now_unix();
    return std::exchange(wanted_, Wanted::nothing);
}

}  // namespace postoffice
