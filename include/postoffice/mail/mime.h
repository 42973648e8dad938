// The structure of a MIME message, read as a stream: entities, their headers, and the lines between them. RFC
// 2045 and RFC 2046.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postoffice {

/// The value of a Content-Type field (RFC 2045 section 5.1).
struct ContentType {
    std::string type;      ///< "text/plain", in lower case; "" if the field has no type
    std::string boundary;  ///< of a multipart; "" if none is given
};
/// `body`: of the field. Comments and unknown parameters are skipped; any text is allowed.
ContentType parse_content_type(std::string_view body);

/// A message or a part of one: a header and a body (RFC 2045 section 2.4).
struct MimeEntity {
    /// What the reader finds in the body. A composite body that cannot be divided is a leaf: a multipart
    /// without boundary or with an encoding.
    enum class Body { leaf, parts, message };

    std::size_t index = 0;    ///< in the order of the headers; 0 is the whole message
    bool is_message = false;  ///< the whole message, or the content of a message/rfc822
    Body body = Body::leaf;
    std::string type;        ///< in lower case; the default of RFC 2045 section 5.2 where the header has none
    bool has_type = false;   ///< the header has a Content-Type with a type
    std::string encoding;    ///< Content-Transfer-Encoding in lower case; "7bit" where the header has none
    bool is_signed = false;  ///< inside a multipart/signed (RFC 1847): no octet of it may change

    /// True for 7bit, 8bit and binary: the body stands as it is (RFC 2045 section 6.2).
    bool is_unencoded() const { return encoding == "7bit" || encoding == "8bit" || encoding == "binary"; }
};

/// What a MimeReader finds, in the order of the message. The texts together are the message without its CRs.
class MimeVisitor {
  public:
    virtual ~MimeVisitor() = default;
    /// The header with the empty line that ends it. That line is missing where the first line of the body is
    /// no field, and at the end of the input.
    virtual void on_header(const MimeEntity& entity, std::string_view header) = 0;
    /// A line of the body of a leaf, with its LF; of a long line a piece.
    virtual void on_body(const MimeEntity& leaf, std::string_view line) = 0;
    /// The same of what belongs to no entity: delimiters, preambles and epilogues (RFC 2046 section 5.1.1).
    virtual void on_frame(bool is_signed, std::string_view line) = 0;
};

class MimeReader {
  public:
    explicit MimeReader(MimeVisitor& visitor);

    /// The message in pieces; where they are cut makes no difference. Line ends are LF, CRs are dropped.
    void read(std::string_view octets);
    /// The end of the message.
    void finish();
    /// True for a structure beyond the limits below: what the visitor is told is then incomplete.
    bool is_too_complex() const { return is_too_complex_; }

    static constexpr std::size_t most_levels = 32;  ///< of entities in entities
    static constexpr std::size_t most_entities = 10000;
    static constexpr std::size_t most_header_octets = 262144;  ///< of one entity

  private:
    enum class Place { header, body, frame };
    /// A composite entity whose content is being read.
    struct Level {
        MimeEntity entity;
        std::string delimiter;  ///< "--boundary"; "" for a message/rfc822
    };

    void read_line(std::string_view line);
    bool read_delimiter(std::string_view line);
    bool read_header_line(std::string_view line);
    void begin_entity(bool is_message);
    void end_header();
    bool is_frame_signed() const;

    MimeVisitor& visitor_;
    std::string line_;  // the beginning of a line whose end was not read yet
    bool at_line_start_ = true;
    Place place_ = Place::header;
    std::string header_;
    MimeEntity entity_;
    std::vector<Level> levels_;
    std::size_t entities_ = 0;
    bool is_too_complex_ = false;
};

}  // namespace postoffice
