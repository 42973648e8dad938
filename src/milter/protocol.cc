#include "protocol.h"

#include <fmt/format.h>

#include "postoffice/base/error.h"

namespace postoffice::milter {
namespace {

constexpr std::size_t length_octets = 4;

Answer parse_header_change(char kind, std::string_view data) {
    Answer parsed{.kind = kind};
    if (kind != answer::add_header) parsed.index = take_number(data);
    parsed.name = take_text(data);
    if (parsed.name.empty()) throw FormatError("a change of a field without its name");
    parsed.value = take_text(data);
    return parsed;
}

Answer parse_address_change(char kind, std::string_view data) {
    Answer parsed{.kind = kind};
    parsed.name = take_text(data);
    if (parsed.name.empty()) throw FormatError("a change of an address without the address");
    parsed.value = take_text(data);
    return parsed;
}

}  // namespace

std::optional<Packet> PacketReader::take() {
    std::string_view rest = std::string_view(buffer_).substr(start_);
    if (rest.size() < length_octets) return std::nullopt;
    const std::size_t length = take_number(rest);
    if (length == 0 || length > most_of_answer)
        throw FormatError(fmt::format("a packet of {} octets", length));
    if (rest.size() < length) return std::nullopt;
    Packet packet{rest.front(), std::string(rest.substr(1, length - 1))};
    start_ += length_octets + length;
    if (start_ == buffer_.size() || start_ > most_of_answer) {
        buffer_.erase(0, start_);
        start_ = 0;
    }
    return packet;
}

void append_packet(std::string& wire, char kind, std::string_view data) {
    if (data.size() > most_data)
        throw FormatError(fmt::format("{} octets are more than a filter takes", data.size()));
    append_number(wire, static_cast<std::uint32_t>(data.size() + 1));
    wire += kind;
    wire += data;
}

void append_number(std::string& data, std::uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) data += static_cast<char>(number >> shift & 0xff);
}

std::uint32_t take_number(std::string_view& data) {
    if (data.size() < 4) throw FormatError("a number is cut short");
    std::uint32_t number = 0;
    for (const char octet : data.substr(0, 4)) number = number << 8 | static_cast<unsigned char>(octet);
    data.remove_prefix(4);
    return number;
}

void append_text(std::string& data, std::string_view text) {
    data.append(text.substr(0, text.find('\0'))).append(1, '\0');
}

std::string_view take_text(std::string_view& data) {
    const auto end = std::min(data.find('\0'), data.size());
    const auto text = data.substr(0, end);
    data.remove_prefix(std::min(end + 1, data.size()));
    return text;
}

bool is_change(char kind) {
    switch (kind) {
        case answer::add_recipient:
        case answer::delete_recipient:
        case answer::add_recipient_with_parameters:
        case answer::replace_body:
        case answer::change_sender:
        case answer::add_header:
        case answer::insert_header:
        case answer::change_header:
        case answer::quarantine:
            return true;
        default:
            return false;
    }
}

Answer parse_answer(const Packet& packet) {
    std::string_view data = packet.data;
    switch (packet.kind) {
        case answer::add_header:
        case answer::insert_header:
        case answer::change_header:
            return parse_header_change(packet.kind, data);
        case answer::add_recipient:
        case answer::delete_recipient:
        case answer::add_recipient_with_parameters:
        case answer::change_sender:
            return parse_address_change(packet.kind, data);
        case answer::replace_body:
            return {.kind = packet.kind, .value = packet.data};
        case answer::quarantine:
        case answer::reply_code:
            return {.kind = packet.kind, .value = std::string(take_text(data))};
        case answer::shutdown:
        case answer::accept:
        case answer::go_on:
        case answer::discard:
        case answer::connection_failed:
        case answer::progress:
        case answer::reject:
        case answer::skip:
        case answer::tempfail:
            return {.kind = packet.kind};
        default:
            throw FormatError(fmt::format("an answer of unknown kind {}",
                                          static_cast<int>(static_cast<unsigned char>(packet.kind))));
    }
}

}  // namespace postoffice::milter
