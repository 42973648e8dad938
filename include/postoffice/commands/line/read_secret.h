// A password that a person types, or that a program writes to standard input.
#pragma once

#include <string>

namespace postoffice {

/// The next line of standard input, without its end, at most 1022 octets; a terminal shows the prompt and not
/// what is typed. The caller wipes it.
std::string read_secret(const char* prompt);

}  // namespace postoffice
