#include "filter_connection.h"

#include <fmt/format.h>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/net/service_connection.h"

namespace postoffice::milter {
namespace {

constexpr int most_renewals = 10;
constexpr Milliseconds goodbye_time{1000};
constexpr std::uint32_t first_with_unknown = 3, first_with_data = 4;

/// As macros go on the wire: names of several letters in braces.
std::string wire_name(std::string_view name) {
    return name.size() > 1 && !name.starts_with('{') ? fmt::format("{{{}}}", name) : std::string(name);
}

}  // namespace

void AnswerTime::begin_anew() {
    if (++renewals_ > most_renewals) throw Timeout("it made progress for too long");
    deadline_ = Deadline::after(limit_);
}

FilterConnection::FilterConnection(const FilterSettings& settings, const Resolver& resolver)
    : answer_time_(settings.answer_time),
      connection_(connect_to(settings.place, resolver, Deadline::after(settings.connect_time))) {
    negotiate();
}

void FilterConnection::negotiate() {
    std::string offer;
    for (const std::uint32_t number : {newest_version, all_actions, flag::all}) append_number(offer, number);
    write(command::negotiate, offer);
    const Packet packet = next_packet(Deadline::after(answer_time_));
    if (packet.kind != command::negotiate) throw FormatError("it does not begin with a negotiation");
    std::string_view data = packet.data;
    version_ = take_number(data);
    const std::uint32_t actions = take_number(data);
    flags_ = take_number(data);
    if (version_ < oldest_version || version_ > newest_version)
        throw FormatError(fmt::format("it wants version {} of the protocol", version_));
    if ((actions & ~all_actions) != 0 || (flags_ & ~flag::all) != 0)
        throw FormatError("it wants what was not offered");
    // Filters of before do not know these questions, nor how to say that they do not want them.
    if (version_ < first_with_unknown) flags_ |= flag::no_unknown;
    if (version_ < first_with_data) flags_ |= flag::no_data;
    take_macro_lists(data);
}

void FilterConnection::take_macro_lists(std::string_view data) {
    while (!data.empty()) {
        const std::uint32_t stage = take_number(data);
        const auto names = take_text(data);
        if (stage >= macro_lists_.size()) throw FormatError("it wants macros of an unknown stage");
        macro_lists_[stage] = names;
    }
}

void FilterConnection::write(char kind, std::string_view data) {
    std::string wire;
    append_packet(wire, kind, data);
    connection_.write(wire, Deadline::after(answer_time_));
}

void FilterConnection::send_macros(Stage stage, const FilterMacros& macros) {
    const StageRow& row = row_of(stage);
    std::string_view names = row.macros;
    if (row.macro_list >= 0)
        if (const auto& asked = macro_lists_[static_cast<std::size_t>(row.macro_list)]) names = *asked;
    std::string data(1, row.command);
    while (!names.empty()) {
        const std::string name = wire_name(trim(read_until(names, ' ')));
        const auto value = macros.get(name);
        if (value.empty()) continue;
        append_text(data, name);
        append_text(data, value);
    }
    if (data.size() > 1) write(command::macros, data);
}

void FilterConnection::send(Stage stage, std::string_view data) {
    write(row_of(stage).command, data);
}

Packet FilterConnection::next_packet(Deadline deadline) {
    for (;;) {
        if (auto packet = reader_.take()) return *std::move(packet);
        const auto octets = connection_.peek(deadline);
        if (octets.empty()) throw PeerGone("it closed the connection");
        reader_.feed(octets);
        connection_.consume(octets.size());
    }
}

Answer FilterConnection::next_answer(AnswerTime& time) {
    for (;;) {
        Answer answer = parse_answer(next_packet(time.deadline()));
        if (answer.kind == answer::connection_failed) throw PeerGone("it has lost a connection of its own");
        if (answer.kind != answer::progress) return answer;
        time.begin_anew();
    }
}

void FilterConnection::expect_no_more() const {
    if (connection_.has_unread_input() || !reader_.is_empty())
        throw FormatError("it says more than it was asked");
}

void FilterConnection::abort() {
    write(command::abort, "");
}

void FilterConnection::quit() noexcept {
    (void)say_last(command::quit);
}

bool FilterConnection::end_client() noexcept {
    const bool is_possible = version_ == newest_version && wants(Stage::connect) && answers(Stage::connect);
    return is_possible && say_last(command::quit_client);
}

bool FilterConnection::is_quiet() {
    return !connection_.wait_for_input(Deadline::after(Milliseconds(0)));
}

/// False if the filter has gone before.
bool FilterConnection::say_last(char kind) noexcept try {
    std::string wire;
    append_packet(wire, kind, "");
    const auto deadline = Deadline::after(goodbye_time);
    connection_.write(wire, deadline);
    connection_.flush(deadline);
    return true;
} catch (const std::exception&) {
    return false;
}

}  // namespace postoffice::milter
