#include "postoffice/base/log_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"

namespace postoffice {
namespace {

bool is_graphic(char c) {
    return c > ' ' && c < '\x7f';
}

bool needs_no_quotes(char c) {
    return is_graphic(c) && c != '"' && c != '=';
}

bool needs_no_escape(char c) {
    return (is_graphic(c) || c == ' ') && c != '"' && c != '\\';
}

/// Most values are plain: they are copied as they are.
void append_text_value(std::string& line, std::string_view value) {
    if (std::all_of(value.begin(), value.end(), needs_no_quotes)) {
        line += value;
        return;
    }
    const std::string clean = printable(value);
    const bool quote = clean.find_first_of(" \"=") != std::string::npos;
    if (!quote) {
        line += clean;
        return;
    }
    line += '"';
    for (const char c : clean) line += c == '"' ? '\'' : c;
    line += '"';
}

void append_escaped(std::string& line, std::optional<char32_t> character, std::string_view octets) {
    if (!character)
        line += "\\ufffd";
    else if (is_control(*character))
        fmt::format_to(std::back_inserter(line), "\\u{:04x}", static_cast<unsigned>(*character));
    else if (*character == '"' || *character == '\\')
        line.append("\\").append(octets);
    else
        line += octets;
}

void append_json_string(std::string& line, std::string_view text) {
    line += '"';
    while (!text.empty()) {
        const auto plain = std::find_if_not(text.begin(), text.end(), needs_no_escape) - text.begin();
        line += text.substr(0, static_cast<std::size_t>(plain));
        text.remove_prefix(static_cast<std::size_t>(plain));
        if (text.empty()) break;
        const std::string_view before = text;
        const auto character = read_character(text);
        if (!character) text.remove_prefix(1);
        append_escaped(line, character, before.substr(0, before.size() - text.size()));
    }
    line += '"';
}

void append_json_member(std::string& line, std::string_view key, std::string_view value) {
    line.append(",\"").append(key).append("\":");
    append_json_string(line, value);
}

bool is_json_number(std::string_view text) {
    return (text == "0" || !text.starts_with('0')) && std::all_of(text.begin(), text.end(), is_digit);
}

}  // namespace

void append_stamp(std::string& line, const LogStamp& stamp) {
    line.append(rfc3339_utc(stamp.time)).append(" ").append(stamp.tag);
    line.append("[").append(std::to_string(stamp.pid)).append("]: ");
}

void append_text(std::string& line, const LogRecord& record) {
    if (!record.id.empty()) line.append(record.id).append(": ");
    line += record.event.name();
    for (const auto& [key, value] : record.fields) {
        if (value.empty()) continue;
        line.append(" ").append(key.name()).append("=");
        append_text_value(line, value);
    }
}

void append_json(std::string& line, const LogStamp& stamp, const LogRecord& record) {
    line.append("{\"time\":\"").append(rfc3339_utc(stamp.time)).append("\"");
    append_json_member(line, "tag", stamp.tag);
    line.append(",\"pid\":").append(std::to_string(stamp.pid));
    append_json_member(line, "level", name_of(record.event.level()));
    if (!record.id.empty()) append_json_member(line, "id", record.id);
    append_json_member(line, "event", record.event.name());
    for (const auto& [key, value] : record.fields) {
        if (value.empty()) continue;
        if (key.is_number() && is_json_number(value))
            line.append(",\"").append(key.name()).append("\":").append(value);
        else
            append_json_member(line, key.name(), value);
    }
    line += '}';
}

}  // namespace postoffice
