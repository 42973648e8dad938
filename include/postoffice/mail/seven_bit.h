// A MIME message with octets above 127 in the form for a host that takes seven bits only: RFC 6152 section 3.
//
// The message is read twice. SevenBitPlanner decides what becomes of each entity, or that the message cannot
// be converted; SevenBitConverter carries the plan out. Leaves are encoded, in the shorter of
// quoted-printable and base64; multiparts and embedded messages are never encoded themselves (RFC 2045
// section 6.4). Nothing inside a multipart/signed changes (RFC 1847 section 2.1). The signature of DKIM does
// not survive (RFC 6376 section 5.3).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/mail/mime.h"

namespace postoffice {

/// What is done with one entity of a message.
struct SevenBitChange {
    enum class Encoding : std::uint8_t {
        unchanged,
        seven_bit,  ///< is said to be 8bit or binary, and has or will have no octet above 127
        quoted_printable,
        base64
    } encoding = Encoding::unchanged;
    /// Its text is UTF-8: what an entity without Content-Type is declared as; else "unknown-8bit" (RFC 1428).
    bool is_utf8 = true;
};

struct SevenBitPlan {
    std::vector<SevenBitChange> changes;  ///< by the index of the entity
    /// Why the message cannot be converted, with its status: 5.6.3, or 5.6.7 where the header itself has
    /// octets above 127. "" if it can.
    std::string status, obstacle;

    bool is_possible() const { return obstacle.empty(); }
};

class SevenBitPlanner : private MimeVisitor {
  public:
    /// The message in pieces, with LF.
    void read(std::string_view octets) { reader_.read(octets); }
    /// Its end.
    SevenBitPlan finish();

  private:
    void on_header(const MimeEntity& entity, std::string_view header) override;
    void on_body(const MimeEntity& leaf, std::string_view line) override;
    void on_frame(bool is_signed, std::string_view line) override;
    void end_leaf();
    void refuse(std::string status, std::string obstacle);

    struct Leaf {
        MimeEntity entity;
        std::uint64_t octets = 0;
        std::uint64_t escapes = 0;  // octets that quoted-printable would escape
        bool has_eight_bit = false;
        bool is_utf8 = true;
    } leaf_;
    SevenBitPlan plan_;
    MimeReader reader_{*this};
};

/// Carries out a plan, which is possible, on the message that it was made for.
class SevenBitConverter : private MimeVisitor {
  public:
    explicit SevenBitConverter(const SevenBitPlan& plan);
    ~SevenBitConverter() override;

    /// The message in pieces; appends to `out` what they lead to so far.
    void convert(std::string_view octets, std::string& out);
    void finish(std::string& out);

  private:
    class Body;

    void on_header(const MimeEntity& entity, std::string_view header) override;
    void on_body(const MimeEntity& leaf, std::string_view line) override;
    void on_frame(bool is_signed, std::string_view line) override;
    SevenBitChange change_of(const MimeEntity& entity) const;

    const SevenBitPlan& plan_;
    std::string out_;
    std::unique_ptr<Body> body_;   // null for one that does not change
    bool header_is_open_ = false;  // no empty line ends it
    MimeReader reader_{*this};
};

}  // namespace postoffice
