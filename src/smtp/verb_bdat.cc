// BDAT: a message in chunks of given lengths. RFC 3030. The octets of a chunk follow its command at once, so
// they are read even if the command is refused: left on the wire they would be commands.
//
// A message is lines here as well: it is stored with LF, CRLF becoming one, and what stands alone is treated
// as bare-newline= says. BINARYMIME, which would keep every octet, is therefore not offered.
#include <fmt/format.h>

#include "filtering.h"
#include "incoming_message.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "verb.h"

namespace postoffice {
namespace {

struct Chunk {
    std::uint64_t octets = 0;
    bool is_last = false;
};

// No client means that: it would have to be read to its end.
constexpr std::uint64_t most_octets = std::uint64_t{1} << 40;

std::optional<Chunk> parse_chunk(std::string_view argument) {
    const auto octets = parse_number(argument.substr(0, argument.find_first_of(" \t")));
    if (!octets || *octets > most_octets) return std::nullopt;
    const auto rest = trim(argument.substr(std::min(argument.find_first_of(" \t"), argument.size())));
    const bool is_last = equals_ignoring_case(rest, "LAST");
    if (!rest.empty() && !is_last) return std::nullopt;
    return Chunk{*octets, is_last};
}

// Reads and drops a chunk of a refused message.
void discard(Dialogue& dialogue, std::uint64_t octets) {
    dialogue.is_reading_message = true;
    DataDecoder decoder = DataDecoder::for_chunks(DataDecoder::LineEnds::crlf);
    decoder.expect(octets);
    DataPace pace(dialogue);
    const auto end = read_data(
        dialogue.connection, decoder, [&] { return pace.wait(); },
        [&](std::string_view text) { pace.count(text.size()); });
    if (end == DataEnd::closed) throw PeerGone("end of file inside a message");
    dialogue.is_reading_message = false;
}

// What is known of a chunk before it is read.
std::optional<Reply> check_chunk(Dialogue& dialogue, const Chunk& chunk) {
    if (!dialogue.chunks) {
        if (auto refusal = refuse_message(dialogue)) return refusal;
        if (auto refusal = filter_data(dialogue)) return refusal;
    }
    const std::uint64_t most = dialogue.config().limits.size;
    if (most != 0 && chunk.octets > most)
        return Reply{552, "5.3.4", fmt::format("Message larger than {} octets", most)};
    return std::nullopt;
}

// After a chunk that failed, the message is no more (RFC 3030 section 2): what the client sends of it without
// having waited for this answer meets no transaction.
Reply fail(Dialogue& dialogue, Reply reply) {
    dialogue.abandon_transaction();
    return reply;
}

}  // namespace

Reply perform_bdat(Dialogue& dialogue, const Command& command) {
    const auto chunk = parse_chunk(command.argument);
    if (!chunk) {
        // It is unknown how much of what follows is message.
        dialogue.abandon_transaction();
        dialogue.is_over = true;
        return {501, "5.5.4", "Syntax: BDAT octets [LAST]; closing connection"};
    }
    if (auto refusal = check_chunk(dialogue, *chunk)) {
        discard(dialogue, chunk->octets);
        return fail(dialogue, *refusal);
    }
    if (chunk->octets == 0 && !chunk->is_last) dialogue.count_idle_command();
    dialogue.is_reading_message = true;  // whatever goes wrong from here on: the chunk is on the wire
    if (!dialogue.chunks)
        dialogue.chunks = std::make_unique<IncomingMessage>(
            dialogue, DataDecoder::for_chunks(dialogue.config().smtp.bare_newline == BareNewline::reject
                                                  ? DataDecoder::LineEnds::crlf_or_refuse
                                                  : DataDecoder::LineEnds::crlf));
    dialogue.chunks->decoder().expect(chunk->octets);
    dialogue.chunks->read(dialogue);
    if (dialogue.chunks->refusal()) return fail(dialogue, *dialogue.chunks->refusal());
    if (!chunk->is_last) return {250, "2.0.0", fmt::format("{} octets received", chunk->octets)};
    const std::unique_ptr<IncomingMessage> message = std::move(dialogue.chunks);
    return message->offer(dialogue, "BDAT");
}

}  // namespace postoffice
