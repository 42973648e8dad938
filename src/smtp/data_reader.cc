#include "data_reader.h"

#include <algorithm>

namespace postoffice {

DataDecoder DataDecoder::for_chunks(LineEnds line_ends) {
    DataDecoder decoder(line_ends);
    decoder.in_chunks_ = true;
    return decoder;
}

void DataDecoder::step(char octet, std::string& output) {
    const bool is_behind_cr = where_ == Where::cr || where_ == Where::dot_cr;
    const bool ends_line = octet == '\n' && (is_behind_cr || line_ends_ == LineEnds::lf_as_well);
    has_lone_ = has_lone_ || (octet == '\n' ? !ends_line : is_behind_cr);
    if (ends_line && (where_ == Where::dot || where_ == Where::dot_cr)) {
        where_ = Where::end;
    } else if (octet == '.' && where_ == Where::line_start && !in_chunks_) {
        where_ = Where::dot;
    } else if (octet == '\r') {  // half a line end, or nothing: the next octet tells
        where_ = where_ == Where::dot ? Where::dot_cr : Where::cr;
    } else {
        output += octet;
        where_ = ends_line ? Where::line_start : Where::text;
    }
}

std::size_t DataDecoder::decode(std::string_view input, std::string& output) {
    if (in_chunks_) {
        input = input.substr(0, std::min<std::uint64_t>(octets_left_, input.size()));
        octets_left_ -= input.size();
    }
    std::size_t used = 0, next_lf = 0, next_cr = 0;
    while (used < input.size() && where_ != Where::end) {
        if (where_ ==
            Where::text) {  // a whole stretch without CR and LF; each octet is searched once for each
            if (next_lf < used) next_lf = std::min(input.find('\n', used), input.size());
            if (next_cr < used) next_cr = std::min(input.find('\r', used), input.size());
            const auto stretch_end = std::min(next_lf, next_cr);
            output.append(input, used, stretch_end - used);
            used = stretch_end;
            if (used == input.size()) break;
        }
        step(input[used++], output);
    }
    return used;
}

DataEnd read_data(Connection& connection, DataDecoder& decoder, const DataWait& wait,
                  const std::function<void(std::string_view)>& sink) {
    std::string decoded;
    while (!decoder.at_end()) {
        const auto chunk = connection.peek(wait());
        if (chunk.empty()) return DataEnd::closed;
        decoded.clear();
        decoded.reserve(chunk.size());
        connection.consume(decoder.decode(chunk, decoded));
        if (!decoded.empty()) sink(decoded);
    }
    return DataEnd::complete;
}

}  // namespace postoffice
