#include "postoffice/mail/mime.h"

#include <algorithm>
#include <utility>

#include "postoffice/base/text.h"
#include "postoffice/mail/address_lexer.h"
#include "postoffice/mail/header.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_mime_line = 8192;
constexpr std::string_view blanks = " \t";

/// The text of a quoted string without its quotes and backslashes.
std::string unquoted_string(std::string_view text) {
    std::string result;
    text.remove_prefix(1);
    if (text.ends_with('"')) text.remove_suffix(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        result += text[i];
    }
    return result;
}

/// Takes white space and comments off the front (RFC 2045 section 5.1 allows comments between tokens).
void skip_comments(std::string_view& rest) {
    for (;;) {
        rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
        if (!rest.starts_with('(')) return;
        (void)read_token(rest);  // a comment, with the comments in it
    }
}

/// The value of a parameter; takes it off the front.
std::string read_value(std::string_view& rest) {
    skip_comments(rest);
    if (rest.starts_with('"')) return unquoted_string(read_token(rest).text);
    const std::string_view value = rest.substr(0, rest.find_first_of("; \t("));
    rest.remove_prefix(value.size());
    return std::string(value);
}

std::string encoding_of(std::string_view header) {
    const auto field = find_field(header, "Content-Transfer-Encoding");
    if (!field) return "7bit";
    const std::string value = field_value(field->body);
    std::string_view rest = value;
    skip_comments(rest);
    return to_lower(rest.substr(0, rest.find_first_of("; \t(")));
}

}  // namespace

ContentType parse_content_type(std::string_view body) {
    const std::string value = field_value(body);
    std::string_view rest = value;
    ContentType result;
    skip_comments(rest);
    const std::string_view type = rest.substr(0, rest.find_first_of("; \t("));
    rest.remove_prefix(type.size());
    if (type.find('/') != std::string_view::npos) result.type = to_lower(type);
    for (;;) {
        skip_comments(rest);
        const auto semicolon = rest.find(';');
        if (semicolon == std::string_view::npos) return result;
        rest.remove_prefix(semicolon + 1);
        skip_comments(rest);
        const std::string_view name = rest.substr(0, rest.find_first_of("=; \t("));
        rest.remove_prefix(name.size());
        skip_comments(rest);
        if (!rest.starts_with('=')) continue;
        rest.remove_prefix(1);
        std::string text = read_value(rest);
        if (equals_ignoring_case(name, "boundary") && result.boundary.empty())
            result.boundary = std::move(text);
    }
}

MimeReader::MimeReader(MimeVisitor& visitor) : visitor_(visitor) {
    begin_entity(true);
}

void MimeReader::read(std::string_view octets) {
    while (!octets.empty()) {
        const auto newline = octets.find('\n');
        const std::size_t end = newline == std::string_view::npos ? octets.size() : newline + 1;
        for (const char c : octets.substr(0, end)) {
            if (c != '\r') line_ += c;
            if (line_.size() == longest_mime_line) read_line(std::exchange(line_, {}));
        }
        octets.remove_prefix(end);
        if (newline != std::string_view::npos && !line_.empty()) read_line(std::exchange(line_, {}));
    }
}

void MimeReader::finish() {
    if (!line_.empty()) read_line(std::exchange(line_, {}));
    while (place_ == Place::header) end_header();
}

void MimeReader::read_line(std::string_view line) {
    const bool starts_line = std::exchange(at_line_start_, line.ends_with('\n'));
    if (starts_line && line.starts_with("--") && read_delimiter(line)) return;
    if (place_ == Place::header) {
        if (!starts_line && header_.size() + line.size() > most_header_octets) is_too_complex_ = true;
        if (!starts_line) {
            if (!is_too_complex_) header_ += line;
            return;
        }
        if (read_header_line(line)) return;
    }
    if (place_ == Place::frame)
        visitor_.on_frame(is_frame_signed(), line);
    else
        visitor_.on_body(entity_, line);
}

/// True if the line is part of the header; false for the first line of the body.
bool MimeReader::read_header_line(std::string_view line) {
    if (line == "\n") {
        header_ += line;
        end_header();
        return true;
    }
    const bool is_part = !field_name(line).empty() || (is_continuation(line) && !header_.empty());
    if (is_part && header_.size() + line.size() <= most_header_octets) {
        header_ += line;
        return true;
    }
    if (is_part) is_too_complex_ = true;
    // The content of a message/rfc822 may also begin with a line that is no field: then it has no header.
    while (place_ == Place::header) end_header();
    return false;
}

/// Whether the line is a delimiter of one of the multiparts (RFC 2046 section 5.1.1): one of an outer
/// multipart ends those inside it.
bool MimeReader::read_delimiter(std::string_view line) {
    const std::string_view text = line.substr(0, line.find_last_not_of(" \t\n") + 1);
    for (std::size_t level = levels_.size(); level-- > 0;) {
        const std::string& delimiter = levels_[level].delimiter;
        if (delimiter.empty() || !text.starts_with(delimiter)) continue;
        const std::string_view behind = text.substr(delimiter.size());
        if (!behind.empty() && behind != "--") continue;
        while (place_ == Place::header) end_header();
        levels_.resize(behind.empty() ? level + 1 : level);
        place_ = Place::frame;
        visitor_.on_frame(is_frame_signed(), line);
        if (behind.empty()) begin_entity(false);
        return true;
    }
    return false;
}

void MimeReader::begin_entity(bool is_message) {
    const bool is_signed = !levels_.empty() && (levels_.back().entity.is_signed ||
                                                levels_.back().entity.type == "multipart/signed");
    entity_ = MimeEntity{};
    entity_.index = entities_;
    entity_.is_message = is_message;
    entity_.is_signed = is_signed;
    if (++entities_ > most_entities) is_too_complex_ = true;
    header_.clear();
    place_ = Place::header;
}

void MimeReader::end_header() {
    ContentType type;
    if (const auto field = find_field(header_, "Content-Type")) type = parse_content_type(field->body);
    const bool is_in_digest = !levels_.empty() && levels_.back().entity.type == "multipart/digest";
    entity_.has_type = !type.type.empty();
    entity_.type = entity_.has_type                      ? type.type
                   : is_in_digest && !entity_.is_message ? "message/rfc822"  // RFC 2046 section 5.1.5
                                                         : "text/plain";
    entity_.encoding = encoding_of(header_);
    place_ = Place::body;
    if (entity_.is_unencoded()) {
        if (entity_.type.starts_with("multipart/") && !type.boundary.empty())
            entity_.body = MimeEntity::Body::parts;
        if (entity_.type == "message/rfc822") entity_.body = MimeEntity::Body::message;
    }
    if (entity_.body != MimeEntity::Body::leaf && levels_.size() == most_levels) {
        is_too_complex_ = true;
        entity_.body = MimeEntity::Body::leaf;
    }
    visitor_.on_header(entity_, header_);
    if (entity_.body == MimeEntity::Body::leaf) return;
    const bool has_parts = entity_.body == MimeEntity::Body::parts;
    levels_.push_back({entity_, has_parts ? "--" + type.boundary : ""});
    place_ = Place::frame;
    if (!has_parts) begin_entity(true);
}

bool MimeReader::is_frame_signed() const {
    return !levels_.empty() && levels_.back().entity.is_signed;
}

}  // namespace postoffice
