// The packets of the milter protocol, versions 2 to 6: four octets with the length of what follows, in
// network order, then one octet that says what it is, then its data. Sendmail and Postfix speak it with
// libmilter; the numbers are those of libmilter's mfdef.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postoffice::milter {

inline constexpr std::uint32_t oldest_version = 2;
inline constexpr std::uint32_t newest_version = 6;
/// libmilter takes no packet with more data.
inline constexpr std::size_t most_data = 65535;
/// Octets of one packet of a filter: a whole chunk of a new body in the largest size that filters use.
inline constexpr std::size_t most_of_answer = 1u << 20;

/// What this side says.
namespace command {
inline constexpr char abort = 'A';
inline constexpr char body = 'B';
inline constexpr char connect = 'C';
inline constexpr char macros = 'D';
inline constexpr char end_of_message = 'E';
inline constexpr char helo = 'H';
inline constexpr char header = 'L';
inline constexpr char mail = 'M';
inline constexpr char end_of_header = 'N';
inline constexpr char negotiate = 'O';
inline constexpr char quit = 'Q';
inline constexpr char quit_client = 'K';  ///< another client follows on this connection
inline constexpr char recipient = 'R';
inline constexpr char data = 'T';
inline constexpr char unknown = 'U';
}  // namespace command

/// What a filter says.
namespace answer {
inline constexpr char add_recipient = '+';
inline constexpr char delete_recipient = '-';
inline constexpr char add_recipient_with_parameters = '2';
inline constexpr char shutdown = '4';
inline constexpr char accept = 'a';
inline constexpr char replace_body = 'b';
inline constexpr char go_on = 'c';
inline constexpr char discard = 'd';
inline constexpr char change_sender = 'e';
inline constexpr char connection_failed = 'f';
inline constexpr char add_header = 'h';
inline constexpr char insert_header = 'i';
inline constexpr char change_header = 'm';
inline constexpr char progress = 'p';
inline constexpr char quarantine = 'q';
inline constexpr char reject = 'r';
inline constexpr char skip = 's';
inline constexpr char tempfail = 't';
inline constexpr char reply_code = 'y';
}  // namespace answer

/// What a filter may want to do; all are offered.
inline constexpr std::uint32_t all_actions = 0x1ff;

/// What a filter may want left out, or done in another way; all are offered.
namespace flag {
inline constexpr std::uint32_t no_connect = 0x1;
inline constexpr std::uint32_t no_helo = 0x2;
inline constexpr std::uint32_t no_mail = 0x4;
inline constexpr std::uint32_t no_recipient = 0x8;
inline constexpr std::uint32_t no_body = 0x10;
inline constexpr std::uint32_t no_header = 0x20;
inline constexpr std::uint32_t no_end_of_header = 0x40;
inline constexpr std::uint32_t silent_header = 0x80;  ///< it does not answer
inline constexpr std::uint32_t no_unknown = 0x100;
inline constexpr std::uint32_t no_data = 0x200;
inline constexpr std::uint32_t refused_recipients = 0x800;  ///< it wants to hear of these, too
inline constexpr std::uint32_t silent_connect = 0x1000;
inline constexpr std::uint32_t silent_helo = 0x2000;
inline constexpr std::uint32_t silent_mail = 0x4000;
inline constexpr std::uint32_t silent_recipient = 0x8000;
inline constexpr std::uint32_t silent_data = 0x10000;
inline constexpr std::uint32_t silent_unknown = 0x20000;
inline constexpr std::uint32_t silent_end_of_header = 0x40000;
inline constexpr std::uint32_t silent_body = 0x80000;
inline constexpr std::uint32_t leading_space = 0x100000;  ///< blanks behind the colon are part of a value
inline constexpr std::uint32_t all = 0x1fffff;
}  // namespace flag

struct Packet {
    char kind = 0;
    std::string data;
};

/// Finds packets in octets that are cut anywhere.
class PacketReader {
  public:
    void feed(std::string_view octets) { buffer_.append(octets); }
    /// It has nothing that was not taken.
    bool is_empty() const { return start_ == buffer_.size(); }
    /// The next whole packet. Throws FormatError if its length is 0 or above most_of_answer; what is known
    /// of it is then of no use any more.
    std::optional<Packet> take();

  private:
    std::string buffer_;
    std::size_t start_ = 0;  // of what was not taken
};

/// Appends a packet; `data` has most_data octets at most, or FormatError is thrown.
void append_packet(std::string& wire, char kind, std::string_view data);

void append_number(std::string& data, std::uint32_t number);
/// Takes four octets in network order off the front. Throws FormatError if there are fewer.
std::uint32_t take_number(std::string_view& data);
/// The text up to a NUL, which is appended: a NUL inside would be the end of it for the filter.
void append_text(std::string& data, std::string_view text);
/// Takes a text with its NUL off the front; the last one of a packet may lack its NUL.
std::string_view take_text(std::string_view& data);

/// What a filter answered, with its data in their parts.
struct Answer {
    char kind = 0;
    std::string name{};   ///< of a field; the address of a sender or recipient
    std::string value{};  ///< of a field; the parameters of an address; a reason; a part of a body; a reply
    std::uint32_t index = 0;  ///< of a field
};

/// Throws FormatError if it is no answer, or a part of it is missing.
Answer parse_answer(const Packet& packet);
/// It changes the message, and comes at its end alone.
bool is_change(char kind);

}  // namespace postoffice::milter
