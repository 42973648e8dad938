// The octets of a message on their way to a server: as they are stored, or converted to seven bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "postoffice/mail/header.h"
#include "postoffice/mail/seven_bit.h"

namespace postoffice {

/// The file with the message cannot be read: no fault of the server.
struct MessageUnreadable {
    std::string why;
};

class MessageSource {
  public:
    /// A descriptor at any position, which stays open, and the header that is sent in place of its own.
    struct Stored {
        int file;
        const ReplacedHeader* header = nullptr;  ///< null: its own; outlives the source
    };
    /// `plan`: null for the stored form; outlives this.
    explicit MessageSource(const Stored& message, const SevenBitPlan* plan = nullptr);

    /// Appends the next octets to `out`; false if these were the last ones. Throws MessageUnreadable.
    bool read(std::string& out);

  private:
    void read_block();

    const Stored message_;
    bool is_at_front_ = true;
    std::uint64_t offset_ = 0;
    std::string block_;
    std::optional<SevenBitConverter> converter_;
};

/// How the message would be converted. Throws MessageUnreadable.
SevenBitPlan plan_seven_bits(const MessageSource::Stored& message);
/// Octets of the converted message, with LF. Throws MessageUnreadable.
std::uint64_t converted_size(const MessageSource::Stored& message, const SevenBitPlan& plan);

}  // namespace postoffice
