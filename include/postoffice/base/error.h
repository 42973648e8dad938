// What is thrown: broken circumstances, never outcomes of mail (those are values, see mail/reply.h).
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

namespace postoffice {

/// Throws std::system_error for the current errno.
[[noreturn]] void throw_errno(const std::string& what);
[[noreturn]] void throw_errno(int error, const std::string& what);

/// What a reply, the log or a report says of an exception: the words of this program's own exceptions and of
/// the system; of any other exception, which is a mistake in this program, what kind of mistake it is.
std::string in_plain_words(const std::exception& error);

/// A deadline passed while waiting for a peer.
class Timeout : public std::runtime_error {
  public:
    explicit Timeout(const std::string& what) : std::runtime_error(what) {}
};

/// The peer closed or reset the connection in the middle of something.
class PeerGone : public std::runtime_error {
  public:
    explicit PeerGone(const std::string& what) : std::runtime_error(what) {}
};

/// A file of ours does not have the form its manual page promises.
class FormatError : public std::runtime_error {
  public:
    explicit FormatError(const std::string& what) : std::runtime_error(what) {}
};

}  // namespace postoffice
