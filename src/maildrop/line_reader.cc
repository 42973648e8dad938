#include "line_reader.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "postoffice/base/disk.h"

namespace postoffice {
namespace {

constexpr std::size_t piece_size = 1 << 20;
// A line is judged by its beginning; more than this is never held back for the rest of a line.
constexpr std::size_t enough_of_a_line = 1 << 16;

}  // namespace

std::string_view first_line(std::string_view text, bool is_end) {
    const void* const end = std::memchr(text.data(), '\n', text.size());
    if (end != nullptr)
        return text.substr(0, static_cast<std::size_t>(static_cast<const char*>(end) - text.data()) + 1);
    return is_end || text.size() >= enough_of_a_line ? text : std::string_view();
}

LineReader::LineReader(int file, std::uint64_t offset, std::uint64_t end)
    : file_(file), offset_(offset), end_(end), buffer_(std::min<std::uint64_t>(piece_size, end - offset)) {}

bool LineReader::next() {
    const auto room = std::min<std::uint64_t>(buffer_.size() - size_, end_ - offset_);
    const std::span<char> into(buffer_.data() + size_, room);
    const std::size_t got = disk::read_at(file_, into, static_cast<off_t>(offset_));
    offset_ += got;
    size_ += got;
    if (got < room) {
        end_ = offset_;
        is_short_ = true;
    }
    return size_ > 0;
}

void LineReader::skip(std::size_t octets) {
    std::memmove(buffer_.data(), buffer_.data() + octets, size_ - octets);
    size_ -= octets;
}

}  // namespace postoffice
