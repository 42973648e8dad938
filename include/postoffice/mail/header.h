// The header of a message: what is a field, what is the line that an mbox has in front of a message, how
// fields are read and folded. Everything that reads or writes a header asks here. RFC 5322 sections 2.2
// and 4.5, RFC 4155.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postoffice {

/// The colon of a field stands within so many octets: no line is longer (RFC 5322 section 2.1.1).
inline constexpr std::size_t longest_field_name = 998;

/// The name of the field that `line` begins; empty if it begins none. White space between the name and the
/// colon is obsolete and allowed (RFC 5322 section 4.5); it is no part of the name.
std::string_view field_name(std::string_view line);

/// True for a line that continues the field in front of it: it begins with white space.
bool is_continuation(std::string_view line);

/// A field with its continuation lines; all parts are views of the text it was taken from.
struct HeaderField {
    std::string_view name;  ///< as field_name() gives it
    std::string_view text;  ///< all of its lines, with their line ends
    std::string_view body;  ///< what follows the colon, folded as it stands

    bool is(std::string_view other_name) const;
};

/// Takes the first field off the front of `header`, which may be a whole message. nullopt, and nothing taken,
/// at the blank line, at the end, and at a line that is no field.
std::optional<HeaderField> read_field(std::string_view& header);

/// The first field of that name in `header`, which may be a whole message.
std::optional<HeaderField> find_field(std::string_view header, std::string_view name);

/// True if a field of that name has this value; case does not matter.
bool has_field(std::string_view header, std::string_view name, std::string_view value);

/// The body of a field without its line ends (RFC 5322 section 2.2.3) and without white space at both ends.
std::string field_value(std::string_view body);

/// "Name: value\n", folded before blanks at 76 columns. All blanks stay: those in a quoted local part are
/// part of the address. `value` has no control characters; words beyond 450 octets are cut.
std::string folded_field(std::string_view name, std::string_view value);

/// True for the line that an mbox has in front of each message, "From sender date", also if it is quoted with
/// '>'. The field "From : a@b" is none.
bool is_mbox_from_line(std::string_view line);

/// That line with its end. `sender`: "" for the null path; `date`: as mailbox_date() gives it.
std::string mbox_from_line(std::string_view sender, std::string_view date);

/// Appends `line`, which may have its line end, as an mbox holds it in the form that is called mboxrd: a line
/// that begins with "From ", or with '>' and that, gets one more '>'. A field "From : a@b" loses the blanks
/// before its colon instead, since the '>' would make another field of it.
void append_mbox_line(std::string& text, std::string_view line, bool in_header);

/// What is sent in place of the header of a stored message.
struct ReplacedHeader {
    std::string text;            ///< whole lines with LF
    std::uint64_t replaces = 0;  ///< octets at the front of the message
};

}  // namespace postoffice
