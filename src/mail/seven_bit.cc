#include "postoffice/mail/seven_bit.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "postoffice/base/utf8.h"
#include "postoffice/mail/header.h"
#include "transfer_encoding.h"

namespace postoffice {
namespace {

using Encoding = SevenBitChange::Encoding;

/// What quoted-printable escapes: three octets for one.
bool is_escaped(char c) {
    return (c < ' ' && c != '\t' && c != '\n') || c > '~' || c == '=';
}

/// The message/... types that may be encoded like any leaf (RFC 6532 section 3.7, RFC 6533 section 6).
bool may_be_encoded(const MimeEntity& leaf) {
    if (leaf.type.starts_with("multipart/")) return false;
    return !leaf.type.starts_with("message/") || leaf.type.starts_with("message/global");
}

std::string_view name_of(Encoding encoding) {
    switch (encoding) {
        case Encoding::quoted_printable:
            return "quoted-printable";
        case Encoding::base64:
            return "base64";
        case Encoding::seven_bit:
        case Encoding::unchanged:
            break;
    }
    return "7bit";
}

/// The header of an entity that changes, without the empty line at its end. What is no field in front of the
/// first one, the line of an mbox, stays.
std::string changed_header(const MimeEntity& entity, std::string_view header, const SevenBitChange& change) {
    std::string text;
    bool has_version = false;
    while (const auto field = read_field(header)) {
        has_version = has_version || field->is("MIME-Version");
        if (!field->is("Content-Transfer-Encoding") && (entity.has_type || !field->is("Content-Type")))
            text += field->text;
    }
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    if (entity.is_message && !has_version) text += "MIME-Version: 1.0\n";
    if (!entity.has_type && change.encoding != Encoding::seven_bit)
        text += folded_field("Content-Type", change.is_utf8 ? "text/plain; charset=utf-8"
                                                            : "text/plain; charset=unknown-8bit");
    return text + folded_field("Content-Transfer-Encoding", name_of(change.encoding));
}

}  // namespace

SevenBitPlan SevenBitPlanner::finish() {
    reader_.finish();
    end_leaf();
    if (reader_.is_too_complex()) refuse("5.6.3", "its structure is too complex to be converted");
    return std::move(plan_);
}

void SevenBitPlanner::refuse(std::string status, std::string obstacle) {
    if (!plan_.is_possible()) return;
    plan_.status = std::move(status);
    plan_.obstacle = std::move(obstacle);
}

void SevenBitPlanner::on_header(const MimeEntity& entity, std::string_view header) {
    end_leaf();
    if (!is_ascii(header)) refuse("5.6.7", "a header field has octets above 127, which cannot be converted");
    leaf_ = Leaf{entity};
}

void SevenBitPlanner::on_body(const MimeEntity&, std::string_view line) {
    leaf_.octets += line.size();
    leaf_.escapes += static_cast<std::uint64_t>(std::count_if(line.begin(), line.end(), is_escaped));
    if (is_ascii(line)) return;
    leaf_.has_eight_bit = true;
    leaf_.is_utf8 = leaf_.is_utf8 && is_utf8(line);
}

void SevenBitPlanner::on_frame(bool is_signed, std::string_view line) {
    end_leaf();
    if (is_signed && !is_ascii(line)) refuse("5.6.3", "octets above 127 are part of what is signed");
}

/// Decides what becomes of the entity that ends here. Composite ones have counted no octet.
void SevenBitPlanner::end_leaf() {
    const Leaf leaf = std::exchange(leaf_, Leaf{});
    const MimeEntity& entity = leaf.entity;
    if (entity.type.empty() || plan_.changes.size() == MimeReader::most_entities) return;
    SevenBitChange change{Encoding::unchanged, leaf.is_utf8};
    const bool claims_eight_bit = entity.encoding == "8bit" || entity.encoding == "binary";
    if (claims_eight_bit && !entity.is_signed) change.encoding = Encoding::seven_bit;
    if (leaf.has_eight_bit) {
        // base64 has four octets for three, and line ends; quoted-printable three for one that is escaped.
        const bool is_mostly_text = leaf.escapes * 11 <= leaf.octets * 2;
        change.encoding = is_mostly_text ? Encoding::quoted_printable : Encoding::base64;
        if (entity.is_signed)
            refuse("5.6.3", "octets above 127 are part of what is signed");
        else if (!entity.is_unencoded())
            refuse("5.6.3", "octets above 127 stand in a part that is encoded already");
        else if (!may_be_encoded(entity))
            refuse("5.6.3", "octets above 127 stand in a part that must not be encoded");
    }
    plan_.changes.push_back(change);
}

/// The body of one leaf that is encoded.
class SevenBitConverter::Body {
  public:
    explicit Body(Encoding encoding) : is_base64_(encoding == Encoding::base64) {}

    void encode(std::string_view line, std::string& out) {
        is_base64_ ? base64_.encode(line, out) : quoted_printable_.encode(line, out);
    }
    void finish(bool is_end_of_message, std::string& out) {
        is_base64_ ? base64_.finish(is_end_of_message, out) : quoted_printable_.finish(out);
    }

  private:
    const bool is_base64_;
    Base64Encoder base64_;
    QuotedPrintableEncoder quoted_printable_;
};

SevenBitConverter::SevenBitConverter(const SevenBitPlan& plan) : plan_(plan) {}

SevenBitConverter::~SevenBitConverter() = default;

void SevenBitConverter::convert(std::string_view octets, std::string& out) {
    reader_.read(octets);
    out += std::exchange(out_, {});
}

void SevenBitConverter::finish(std::string& out) {
    reader_.finish();
    if (body_) body_->finish(true, out_);
    body_.reset();
    out += std::exchange(out_, {});
}

SevenBitChange SevenBitConverter::change_of(const MimeEntity& entity) const {
    return entity.index < plan_.changes.size() ? plan_.changes[entity.index] : SevenBitChange{};
}

void SevenBitConverter::on_header(const MimeEntity& entity, std::string_view header) {
    if (body_) body_->finish(true, out_);  // not reached: a leaf ends at a delimiter
    body_.reset();
    const SevenBitChange change = change_of(entity);
    if (change.encoding == Encoding::unchanged) {
        out_ += header;
        header_is_open_ = header != "\n" && !header.ends_with("\n\n");
        return;
    }
    header_is_open_ = false;
    out_ += changed_header(entity, header, change) + "\n";
    if (change.encoding != Encoding::seven_bit) body_ = std::make_unique<Body>(change.encoding);
}

void SevenBitConverter::on_body(const MimeEntity&, std::string_view line) {
    body_ ? body_->encode(line, out_) : void(out_ += line);
}

/// A preamble or an epilogue is never shown (RFC 2046 section 5.1.1): its octets above 127 become '?'. A line
/// that ended the header only by them would become a field.
void SevenBitConverter::on_frame(bool, std::string_view line) {
    if (body_) body_->finish(false, out_);
    body_.reset();
    if (std::exchange(header_is_open_, false) && !is_ascii(line)) out_ += '\n';
    for (const char c : line) out_ += is_ascii({&c, 1}) ? c : '?';
}

}  // namespace postoffice
