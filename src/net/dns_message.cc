#include "postoffice/net/dns_message.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::uint16_t class_in = 1;
constexpr std::size_t header_size = 12;
constexpr std::size_t longest_label = 63;
constexpr std::size_t longest_name = 255;  // RFC 1035 section 2.3.4, with length octets and the root
// Fits every IPv6 path without fragments, which are easier to forge than whole datagrams.
constexpr std::uint16_t edns_payload_size = 1232;

constexpr unsigned flag_response = 0x8000;
constexpr unsigned flag_authoritative = 0x0400;
constexpr unsigned flag_truncated = 0x0200;
constexpr unsigned flag_recursion_desired = 0x0100;

void put_u16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8 & 0xff);
    out += static_cast<char>(value & 0xff);
}

bool put_name(std::string& out, std::string_view name) {
    if (name.empty() || name.size() > longest_name - 2) return false;
    for (const auto label : split(name, '.')) {
        if (label.empty() || label.size() > longest_label) return false;
        if (!std::all_of(label.begin(), label.end(), [](char c) { return c > ' ' && c < 0x7f && c != '\\'; }))
            return false;
        out += static_cast<char>(label.size());
        out += label;
    }
    out += '\0';
    return true;
}

void append_label(std::string& name, std::string_view label) {
    if (!name.empty()) name += '.';
    for (const char c : to_lower(label)) {
        if (c > ' ' && c < 0x7f && c != '.' && c != '\\')
            name += c;
        else
            name += fmt::format("\\{:03}", static_cast<unsigned char>(c));
    }
}

// Reads forward through a message. A read that would pass the end gives zeros and marks the reader as
// failed for good, so that callers may read a whole structure and ask once.
class Reader {
  public:
    explicit Reader(std::string_view message) : message_(message), end_(message.size()) {}

    bool failed() const { return failed_; }
    unsigned fail() {
        failed_ = true;
        return 0;
    }

    unsigned u8() {
        if (failed_ || at_ >= end_) return fail();
        return static_cast<unsigned char>(message_[at_++]);
    }
    std::uint16_t u16() {
        const unsigned high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::string_view bytes(std::size_t count) {
        if (failed_ || count > end_ - at_) {
            fail();
            return {};
        }
        at_ += count;
        return message_.substr(at_ - count, count);
    }
    std::string name();

    /// A reader of the next `size` octets alone; compressed names in them may still point before them.
    Reader part(std::size_t size) {
        Reader inner = *this;
        bytes(size);
        inner.failed_ = failed_;
        if (!failed_) inner.end_ = at_;
        return inner;
    }
    bool at_end() const { return !failed_ && at_ == end_; }

  private:
    std::string_view message_;
    std::size_t at_ = 0;
    std::size_t end_;
    bool failed_ = false;
};

// RFC 1035 section 4.1.4: a name may end in a pointer to an earlier one. Each pointer must lead to before
// everything read of this name so far, so that a chain of them ends.
std::string Reader::name() {
    std::string text;
    std::size_t length = 1;
    std::size_t lowest = at_;
    std::optional<std::size_t> resume;  // where reading goes on after the first pointer
    for (;;) {
        const unsigned size = u8();
        if (failed_) return {};
        if (size == 0) break;
        if (size <= longest_label) {
            length += size + 1;
            const auto label = bytes(size);
            if (length > longest_name) fail();
            if (failed_) return {};
            append_label(text, label);
            continue;
        }
        const std::size_t target = (size & 0x3f) << 8 | u8();
        if (size < 0xc0 || target >= lowest) fail();
        if (failed_) return {};
        if (!resume) resume = at_;
        at_ = lowest = target;
    }
    if (resume) at_ = *resume;
    return text;
}

// True if the record is one to keep; an unreadable one leaves `in` failed.
bool read_data(Reader& in, DnsRecord& record) {
    switch (record.type) {
        case DnsType::a: {
            std::uint8_t octets[4];
            for (auto& octet : octets) octet = static_cast<std::uint8_t>(in.u8());
            record.address = IpAddress::from_bytes_v4(octets);
            return true;
        }
        case DnsType::aaaa: {
            std::uint8_t octets[16];
            for (auto& octet : octets) octet = static_cast<std::uint8_t>(in.u8());
            record.address = IpAddress::from_bytes_v6(octets);
            return true;
        }
        case DnsType::mx:
            record.preference = in.u16();
            record.target = in.name();
            return true;
        case DnsType::cname:
        case DnsType::ptr:
            record.target = in.name();
            return true;
        case DnsType::txt:
            while (!in.failed() && !in.at_end()) record.text += in.bytes(in.u8());
            return true;
        default:
            return false;
    }
}

struct RecordHead {
    std::string owner;
    DnsType type = DnsType::a;
    std::uint16_t record_class = 0;
    unsigned upper_code = 0;  // of the TTL field: where OPT keeps the upper bits of the response code
};

// Reads a record up to its data, which `data` then covers.
RecordHead read_head(Reader& in, Reader& data) {
    RecordHead head;
    head.owner = in.name();
    head.type = static_cast<DnsType>(in.u16());
    head.record_class = in.u16();
    head.upper_code = in.u8();
    in.bytes(3);
    const std::size_t size = in.u16();
    data = in.part(size);
    return head;
}

void read_answers(Reader& in, unsigned count, DnsMessage& message) {
    for (; count > 0 && !in.failed(); --count) {
        Reader data = in;
        RecordHead head = read_head(in, data);
        if (in.failed() || head.record_class != class_in) continue;
        DnsRecord record;
        record.owner = std::move(head.owner);
        record.type = head.type;
        if (!read_data(data, record)) continue;
        if (data.at_end())
            message.answers.push_back(std::move(record));
        else
            in.fail();  // data shorter or longer than its type has
    }
}

void read_authority(Reader& in, unsigned count, DnsMessage& message) {
    for (; count > 0 && !in.failed(); --count) {
        Reader data = in;
        const RecordHead head = read_head(in, data);
        message.has_soa |= head.type == DnsType::soa;
        message.has_ns |= head.type == DnsType::ns;
    }
}

void read_additional(Reader& in, unsigned count, DnsMessage& message) {
    for (; count > 0 && !in.failed(); --count) {
        Reader data = in;
        const RecordHead head = read_head(in, data);
        if (head.type == DnsType::opt)
            message.code =
                static_cast<DnsCode>(head.upper_code << 4 | (static_cast<unsigned>(message.code) & 0xf));
    }
}

}  // namespace

std::string to_string(DnsType type) {
    switch (type) {
        case DnsType::a:
            return "A";
        case DnsType::ns:
            return "NS";
        case DnsType::cname:
            return "CNAME";
        case DnsType::soa:
            return "SOA";
        case DnsType::ptr:
            return "PTR";
        case DnsType::mx:
            return "MX";
        case DnsType::txt:
            return "TXT";
        case DnsType::aaaa:
            return "AAAA";
        case DnsType::opt:
            return "OPT";
    }
    return fmt::format("TYPE{}", static_cast<unsigned>(type));
}

std::string to_string(DnsCode code) {
    switch (code) {
        case DnsCode::no_error:
            return "NOERROR";
        case DnsCode::format_error:
            return "FORMERR";
        case DnsCode::server_failure:
            return "SERVFAIL";
        case DnsCode::no_such_name:
            return "NXDOMAIN";
        case DnsCode::not_implemented:
            return "NOTIMP";
        case DnsCode::refused:
            return "REFUSED";
        case DnsCode::bad_version:
            return "BADVERS";
    }
    return fmt::format("RCODE{}", static_cast<unsigned>(code));
}

std::string normalized_name(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    return to_lower(name);
}

std::optional<std::string> encode_query(std::uint16_t id, const DnsQuestion& question, bool with_edns) {
    std::string out;
    put_u16(out, id);
    put_u16(out, flag_recursion_desired);
    put_u16(out, 1);  // questions
    put_u16(out, 0);
    put_u16(out, 0);
    put_u16(out, with_edns ? 1 : 0);  // additional records
    if (!put_name(out, question.name)) return std::nullopt;
    put_u16(out, static_cast<std::uint16_t>(question.type));
    put_u16(out, class_in);
    if (with_edns) {  // RFC 6891 section 6.1.2: owner is the root, the class is our size, TTL and data are
                      // zero
        out += '\0';
        put_u16(out, static_cast<std::uint16_t>(DnsType::opt));
        put_u16(out, edns_payload_size);
        out.append(6, '\0');
    }
    return out;
}

std::optional<DnsMessage> decode_message(std::string_view octets) {
    if (octets.size() < header_size) return std::nullopt;
    Reader in(octets);
    DnsMessage message;
    message.id = in.u16();
    const unsigned flags = in.u16();
    message.is_response = (flags & flag_response) != 0;
    message.is_authoritative = (flags & flag_authoritative) != 0;
    message.is_truncated = (flags & flag_truncated) != 0;
    message.code = static_cast<DnsCode>(flags & 0xf);
    const unsigned questions = in.u16();
    const unsigned answers = in.u16();
    const unsigned authority = in.u16();
    const unsigned additional = in.u16();
    if (questions > 1) return std::nullopt;  // nobody asks two at once (RFC 9619)
    if (questions == 1) {
        DnsQuestion question;
        question.name = in.name();
        question.type = static_cast<DnsType>(in.u16());
        if (in.u16() != class_in) return std::nullopt;
        message.question = std::move(question);
    }
    if (!message.is_truncated) {  // what was cut off may be cut anywhere
        read_answers(in, answers, message);
        read_authority(in, authority, message);
        read_additional(in, additional, message);
    }
    if (in.failed()) return std::nullopt;
    return message;
}

}  // namespace postoffice
