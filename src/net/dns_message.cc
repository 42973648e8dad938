#include "postoffice/net/dns_message.h"

// The wire format is libresolv's (resolv.h, arpa/nameser.h), of which only functions without state are used:
// they know no resolv.conf, and processes and threads need not share anything.
#include <arpa/nameser.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <array>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

// Fits every IPv6 path without fragments, which are easier to forge than whole datagrams.
constexpr std::uint16_t edns_payload_size = 1232;

constexpr unsigned flag_recursion_desired = 0x0100;
constexpr unsigned flag_authentic_data = 0x0020;  // please say whether the answer is (RFC 6840 section 5.7)

void put_u16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8 & 0xff);
    out += static_cast<char>(value & 0xff);
}

// Of the escapes that libresolv reads, names here have \\DDD alone.
bool has_only_numeric_escapes(std::string_view name) {
    for (auto at = name.find('\\'); at != name.npos; at = name.find('\\', at + 4))
        if (at + 4 > name.size() || !parse_number(name.substr(at + 1, 3))) return false;
    return true;
}

bool put_name(std::string& out, const std::string& name) {
    std::array<unsigned char, NS_MAXCDNAME> wire;
    const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (name.empty() || name.ends_with('.') || !is_plain || !has_only_numeric_escapes(name)) return false;
    const int size = ::dn_comp(name.c_str(), wire.data(), wire.size(), nullptr, nullptr);
    if (size > 0) out.append(wire.begin(), wire.begin() + size);
    return size > 0;
}

// libresolv's spelling of a name, which has backslashes before more characters, as ours.
std::string name_of(std::string_view text) {
    std::string name;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || ++i == text.size())
            name += text[i];
        else if (is_digit(text[i]))
            name.append("\\").append(1, text[i]);  // \DDD: the other digits follow
        else if (text[i] == '.' || text[i] == '\\')
            name += fmt::format("\\{:03}", static_cast<unsigned>(text[i]));
        else
            name += text[i];
    }
    return to_lower(name);
}

// The data of one record, read from its front.
class Data {
  public:
    Data(const ns_msg& message, const ns_rr& record)
        : message_(message), at_(ns_rr_rdata(record)), end_(at_ + ns_rr_rdlen(record)) {}

    std::string_view bytes(std::size_t count) {
        if (failed_ || count > static_cast<std::size_t>(end_ - at_)) {
            failed_ = true;
            return {};
        }
        at_ += count;
        return {reinterpret_cast<const char*>(at_ - count), count};
    }
    std::uint16_t u16() {
        const auto octets = bytes(2);
        return failed_ ? std::uint16_t{0}
                       : static_cast<std::uint16_t>(
                             ::ns_get16(reinterpret_cast<const unsigned char*>(octets.data())));
    }
    std::string name() {
        std::array<char, NS_MAXDNAME> text;
        const int size =
            ::dn_expand(ns_msg_base(message_), ns_msg_end(message_), at_, text.data(), text.size());
        if (size < 0 || bytes(static_cast<std::size_t>(size)).empty()) failed_ = true;
        return failed_ ? "" : name_of(text.data());
    }
    std::string_view rest() { return bytes(static_cast<std::size_t>(end_ - at_)); }
    bool is_left() const { return !failed_ && at_ < end_; }
    bool is_read_to_its_end() const { return !failed_ && at_ == end_; }

  private:
    const ns_msg& message_;
    const unsigned char* at_;
    const unsigned char* end_;
    bool failed_ = false;
};

template <std::size_t N>
IpAddress address_from(Data& data, IpAddress (*from)(const std::uint8_t (&)[N])) {
    std::uint8_t octets[N] = {};
    const auto bytes = data.bytes(N);
    std::copy(bytes.begin(), bytes.end(), octets);
    return from(octets);
}

// True if the record is of a type to keep; `data` tells whether it could be read.
bool read_data(Data& data, DnsRecord& record) {
    switch (record.type) {
        case DnsType::a:
            record.address = address_from(data, IpAddress::from_bytes_v4);
            return true;
        case DnsType::aaaa:
            record.address = address_from(data, IpAddress::from_bytes_v6);
            return true;
        case DnsType::mx:
            record.preference = data.u16();
            record.target = data.name();
            return true;
        case DnsType::cname:
        case DnsType::ptr:
            record.target = data.name();
            return true;
        case DnsType::txt:
            while (data.is_left())
                if (const auto length = data.bytes(1); !length.empty())
                    record.text += data.bytes(static_cast<unsigned char>(length.front()));
            return true;
        case DnsType::tlsa:
            record.text = data.rest();
            return true;
        default:
            return false;
    }
}

// False if a record of the section is malformed.
bool read_answers(ns_msg& wire, DnsMessage& message) {
    for (int i = 0; i < ns_msg_count(wire, ns_s_an); ++i) {
        ns_rr rr;
        if (::ns_parserr(&wire, ns_s_an, i, &rr) != 0) return false;
        if (ns_rr_class(rr) != ns_c_in) continue;
        DnsRecord record;
        record.owner = name_of(rr.name);
        record.type = static_cast<DnsType>(ns_rr_type(rr));
        Data data(wire, rr);
        if (!read_data(data, record)) continue;
        if (!data.is_read_to_its_end()) return false;  // shorter or longer than its type has
        message.answers.push_back(std::move(record));
    }
    return true;
}

bool read_other_sections(ns_msg& wire, DnsMessage& message) {
    ns_rr rr;
    for (int i = 0; i < ns_msg_count(wire, ns_s_ns); ++i) {
        if (::ns_parserr(&wire, ns_s_ns, i, &rr) != 0) return false;
        message.has_soa |= ns_rr_type(rr) == ns_t_soa;
        message.has_ns |= ns_rr_type(rr) == ns_t_ns;
    }
    for (int i = 0; i < ns_msg_count(wire, ns_s_ar); ++i) {
        if (::ns_parserr(&wire, ns_s_ar, i, &rr) != 0) return false;
        // The upper bits of the response code are the first octet of OPT's TTL (RFC 6891 section 6.1.3).
        if (ns_rr_type(rr) == ns_t_opt)
            message.code =
                static_cast<DnsCode>(ns_rr_ttl(rr) >> 24 << 4 | (static_cast<unsigned>(message.code) & 0xf));
    }
    return true;
}

// The counts of a header, by section.
unsigned count_in(const std::string& octets, int section) {
    return ::ns_get16(reinterpret_cast<const unsigned char*>(octets.data()) + 4 + 2 * section);
}

// What is well-formed of a message, for ns_initparse(), which wants neither more nor less: a message that was
// cut off keeps its question alone, and octets behind the last record go. Empty: not even that is there.
std::string well_formed_part(std::string_view octets) {
    if (octets.size() < NS_HFIXEDSZ) return "";
    std::string part(octets);
    const bool is_truncated = (octets[2] & 2) != 0;
    if (is_truncated) std::fill(part.begin() + 6, part.begin() + NS_HFIXEDSZ, '\0');
    const auto* start = reinterpret_cast<const unsigned char*>(part.data());
    std::size_t size = NS_HFIXEDSZ;
    for (int section = ns_s_qd; section < ns_s_max; ++section) {
        const int length = ::ns_skiprr(start + size, start + part.size(), static_cast<ns_sect>(section),
                                       static_cast<int>(count_in(part, section)));
        if (length < 0) return "";
        size += static_cast<std::size_t>(length);
    }
    part.resize(size);
    return part;
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
        case DnsType::tlsa:
            return "TLSA";
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
    put_u16(out, flag_recursion_desired | flag_authentic_data);
    put_u16(out, 1);  // questions
    put_u16(out, 0);
    put_u16(out, 0);
    put_u16(out, with_edns ? 1 : 0);  // additional records
    if (!put_name(out, question.name)) return std::nullopt;
    put_u16(out, static_cast<std::uint16_t>(question.type));
    put_u16(out, ns_c_in);
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
    const std::string part = well_formed_part(octets);
    ns_msg wire;
    if (part.empty() || ::ns_initparse(reinterpret_cast<const unsigned char*>(part.data()),
                                       static_cast<int>(part.size()), &wire) != 0)
        return std::nullopt;
    DnsMessage message;
    message.id = static_cast<std::uint16_t>(ns_msg_id(wire));
    message.is_response = ns_msg_getflag(wire, ns_f_qr) != 0;
    message.is_authoritative = ns_msg_getflag(wire, ns_f_aa) != 0;
    message.is_authentic = ns_msg_getflag(wire, ns_f_ad) != 0;
    message.is_truncated = ns_msg_getflag(wire, ns_f_tc) != 0;
    message.code = static_cast<DnsCode>(ns_msg_getflag(wire, ns_f_rcode));
    if (ns_msg_count(wire, ns_s_qd) > 1) return std::nullopt;  // RFC 9619: never two questions
    if (ns_msg_count(wire, ns_s_qd) == 1) {
        ns_rr question;
        if (::ns_parserr(&wire, ns_s_qd, 0, &question) != 0 || ns_rr_class(question) != ns_c_in)
            return std::nullopt;
        message.question = {name_of(question.name), static_cast<DnsType>(ns_rr_type(question))};
    }
    if (!read_answers(wire, message) || !read_other_sections(wire, message)) return std::nullopt;
    return message;
}

}  // namespace postoffice
