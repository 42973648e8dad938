// Text on standard output and standard error. A stream that takes nothing (closed, a full disk, a pipe
// without a reader) changes no exit status but the one that main() gives in the end, and ends no program.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

namespace postoffice {

/// Writes the text as far as the stream takes it, lines of what printable() leaves: no text of a client or of
/// another host reaches a terminal as a command. Never throws; for standard output a failure is remembered,
/// see output_failed().
void write_text(std::FILE* stream, std::string_view text) noexcept;

/// What was asked for, on standard output. Throws std::bad_alloc alone.
template <class... Arguments>
void print_output(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    write_text(stdout, fmt::format(text, std::forward<Arguments>(arguments)...));
}

/// Errors and progress, on standard error. Throws std::bad_alloc alone.
template <class... Arguments>
void print_error(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    write_text(stderr, fmt::format(text, std::forward<Arguments>(arguments)...));
}

/// True if the descriptor is open for `access`: O_RDONLY or O_WRONLY.
bool is_open_for(int fd, int access) noexcept;

/// Writes out what standard output still holds. True if any of it, now or before, could not be written.
bool output_failed() noexcept;

}  // namespace postoffice
