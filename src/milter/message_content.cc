#include "message_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "postoffice/base/disk.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/header.h"
#include "protocol.h"

namespace postoffice::milter {
namespace {

constexpr std::size_t block_size = 32768;
/// libmilter takes no packet above 65535 octets.
constexpr std::size_t longest_field = 60'000;
constexpr std::size_t longest_header = 4u << 20;

}  // namespace

std::string_view ContentField::value(bool leading_space) const {
    std::string_view value = text;
    value.remove_prefix(std::min(value.find(':') + 1, value.size()));
    if (value.ends_with('\n')) value.remove_suffix(1);
    if (!leading_space && value.starts_with(' ')) value.remove_prefix(1);
    return value;
}

void MessageContent::read_from(Message& message) {
    const auto text = message.in_memory();
    memory_ = text.value_or("");
    file_ = text ? Fd() : message.open_for_reading();
}

/// Fewer octets than the block takes only at the end.
std::size_t MessageContent::read_at(std::span<char> block, std::int64_t offset) const {
    if (file_) return disk::read_at(file_.get(), block, static_cast<off_t>(offset));
    const std::string_view text = memory_;
    return text.substr(std::min(static_cast<std::size_t>(offset), text.size()))
        .copy(block.data(), block.size());
}

MessageContent::MessageContent(Message& message) {
    read_from(message);
    std::string header, block(block_size, '\0');
    std::size_t end = std::string::npos;
    while (end == std::string::npos && header.size() <= longest_header) {
        const std::size_t n = read_at(block, static_cast<std::int64_t>(header.size()));
        if (n == 0) break;
        const std::size_t from = header.empty() ? 0 : header.size() - 1;
        header.append(block, 0, n);
        end = header.find("\n\n", from);
    }
    has_body_ = end != std::string::npos;
    body_start_ = static_cast<std::int64_t>(has_body_ ? end + 2 : header.size());
    read_header(std::string_view(header).substr(0, has_body_ ? end + 1 : end));
}

void MessageContent::read_header(std::string_view header) {
    if (header.size() > longest_header)
        refusal_ = Reply{552, "5.3.4", fmt::format("Header larger than {} octets", longest_header)};
    // Texts end with a NUL in the protocol: filters would not see what follows one.
    if (header.find('\0') != std::string_view::npos) refusal_ = Reply{550, "5.6.0", "The header has a NUL"};
    bool has_hidden = false;
    while (const auto field = read_field(header)) {
        if (field->text.size() > longest_field)
            refusal_ =
                Reply{552, "5.3.4", fmt::format("A header field is larger than {} octets", longest_field)};
        const bool is_hidden = !has_hidden && field->is("Received");
        has_hidden = has_hidden || is_hidden;
        fields_.push_back({std::string(field->name), std::string(field->text), is_hidden});
    }
}

void MessageContent::replace_fields(std::vector<ContentField> fields) {
    fields_ = std::move(fields);
    is_changed_ = true;
}

void MessageContent::replace_body(Message& body) {
    read_from(body);
    body_start_ = 0;
    has_body_ = is_changed_ = true;
}

void MessageContent::read_body(const std::function<bool(std::string_view)>& take) const {
    if (!has_body_) return;
    std::string block(block_size, '\0'), wire;
    for (std::int64_t offset = body_start_;;) {
        const std::size_t n = read_at(block, offset);
        offset += static_cast<std::int64_t>(n);
        for (std::string_view rest(block.data(), n); !rest.empty();) {
            const auto end = rest.find('\n');
            wire += rest.substr(0, end);
            if (end != std::string_view::npos) wire += "\r\n";
            rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        }
        while (wire.size() >= most_data || (n == 0 && !wire.empty())) {
            if (!take(std::string_view(wire).substr(0, most_data))) return;
            wire.erase(0, most_data);
        }
        if (n == 0) return;
    }
}

void MessageContent::write_to(Message& message) const {
    for (const ContentField& field : fields_) message.append(field.text);
    if (!has_body_) return;
    message.append("\n");
    std::string block(block_size, '\0');
    std::int64_t offset = body_start_;
    while (const std::size_t n = read_at(block, offset)) {
        message.append({block.data(), n});
        offset += static_cast<std::int64_t>(n);
    }
}

}  // namespace postoffice::milter
