// Streams a message into its file and completes it, once, on receipt: our Received field on top; Date,
// Message-ID and From where they are missing, and X-Spam where it is due. RFC 5321 sections 4.4, 6.3; RFC
// 5322 section 3.6.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/mail/address_rewriting.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/reply.h"
#include "postoffice/queue/message.h"

namespace postoffice {

/// "Received: from … by … with … id …; date", folded, ending in "\n". `for_address` may be empty; it is given
/// only for a single recipient, so that no reader learns of blind copies.
std::string received_field(const std::string& hostname, const std::string& id, const Envelope& envelope,
                           const std::string& for_address);

class MessageBuilder {
  public:
    struct Settings {
        std::string hostname;
        std::string id;
        std::string sender;      ///< address for a missing From; empty = MAILER-DAEMON@hostname
        std::uint64_t size = 0;  ///< most octets of the message as the client sent it; 0 = no limit
        unsigned hops = 100;     ///< most Received fields
        std::uint64_t header_size =
            0;  ///< most octets of its header, counted with LF line ends; 0 = no limit
        std::string spam =
            {};  ///< for an X-Spam field; one of the client's becomes X-Spam-Original; empty: none
        AddressRewriter rewritten = {};  ///< for the fields of is_address_field(); empty: they stay
    };
    /// Keeps a reference to `message`. `top_fields`: whole lines put above everything else.
    MessageBuilder(Message& message, Settings settings, const std::string& top_fields);

    /// The next octets, LF line ends, cut anywhere. After a limit was passed or the disk failed, further
    /// octets are counted and dropped: the client is still talking. Does not throw.
    void feed(std::string_view bytes);
    /// The end of the message. nullopt: complete and stored; otherwise why not (552, 554, 452, 451). A
    /// FormatError of Settings::rewritten is one of the reasons.
    std::optional<Reply> finish();
    /// Why it will be refused, if that is known already.
    const std::optional<Reply>& refusal() const { return refusal_; }
    /// An octet above 127 was seen.
    bool has_eight_bit() const { return eight_bit_; }
    /// REQUIRETLS, or else what the header says: "TLS-Required: No" (RFC 8689 section 4.1); after finish().
    TlsWish tls_wish(TlsWish asked) const;
    /// One was seen in the header, ours included; after finish().
    bool has_eight_bit_header() const { return eight_bit_header_; }
    /// As on the wire, where a line end is two octets (RFC 1870 section 3).
    std::uint64_t octets() const { return octets_; }
    /// What its Solicitation field says (RFC 3865), or the first kilobyte of it.
    const std::string& solicitation() const { return solicitation_; }
    /// What its Delivered-To fields say (RFC 9228), as they stand, a kilobyte of each; a hundred of them at
    /// most.
    const std::vector<std::string>& delivered_to() const { return delivered_to_; }

  private:
    /// Where in the message the next octet belongs.
    enum class Place {
        line_start,  ///< header, first octet of a line
        field_name,  ///< header, collecting what may become "Name:"
        field_body,  ///< header, the rest of a line that is a field or its continuation
        from_line,   ///< the rest of a "From " line of an mbox, which is left out
        body,
    };
    void read_header(std::string_view& bytes);
    void begin_header_line(char first);
    void read_field_name(std::string_view& bytes);
    void begin_line(std::string_view line);
    void end_header_with(std::string_view line);
    void note_field(std::string_view name);
    std::string* place_for(std::string_view name);
    void complete_header();
    void count_header(std::size_t octets);
    void store(std::string_view bytes);
    void store_of_field(std::string_view bytes);
    void end_field();
    template <class Storing>
    void attempt(Storing&& storing);

    Message& message_;
    Settings settings_;
    std::optional<Reply> refusal_;
    Place place_ = Place::line_start;
    std::string name_;  // the start of a header line, until it is known whether it is a field
    bool any_field_ = false;
    bool has_from_line_ = false;
    std::string tls_required_;
    bool eight_bit_ = false;
    bool eight_bit_header_ = false;
    std::string* collected_ = nullptr;  // where the body of the field at hand goes; null pointer: nowhere
    std::optional<std::string> address_field_;  // as far as it has come, until it can be rewritten
    std::string solicitation_;
    std::vector<std::string> delivered_to_;
    bool has_date_ = false, has_message_id_ = false, has_from_ = false;
    bool ends_with_newline_ = true;
    unsigned received_ = 0;
    std::uint64_t octets_ = 0;
    std::uint64_t header_octets_ = 0;
};

}  // namespace postoffice
