// The gzip form of a file: RFC 1952.
#pragma once

#include <string>
#include <string_view>

namespace postoffice {

/// A gzip file with these contents, which every reader of gzip understands. They are stored as they are
/// (RFC 1951 section 3.2.4): for what is small and must have this form.
std::string gzip_file(std::string_view contents);

}  // namespace postoffice
