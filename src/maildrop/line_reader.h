// A file in large pieces, for what looks at its lines: faster than line by line, and in less memory than a
// file or a line may need.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace postoffice {

/// The first line of `text` with its line end, or so much of it that the rest does not matter; empty if more
/// must be read to know it. `is_end`: there is no more.
std::string_view first_line(std::string_view text, bool is_end);

class LineReader {
  public:
    /// Reads from `offset` to `end`, or to the end of the file if that comes first.
    LineReader(int file, std::uint64_t offset, std::uint64_t end);
    /// Reads the next piece, behind what was left of the last one; false if there is nothing. Throws
    /// std::system_error.
    bool next();
    std::string_view text() const { return {buffer_.data(), size_}; }
    /// There is nothing behind text().
    bool is_end() const { return offset_ == end_; }
    /// The file ends before `end`.
    bool is_short() const { return is_short_; }
    /// So much of text() is done with. What is left must be less than a line that first_line() gives.
    void skip(std::size_t octets);

  private:
    const int file_;
    std::uint64_t offset_, end_;
    bool is_short_ = false;
    std::vector<char> buffer_;
    std::size_t size_ = 0;
};

}  // namespace postoffice
