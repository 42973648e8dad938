// The values that options take: sizes, times, addresses, names. Each parser takes the text of a configuration
// file and gives the value, or says in words what is wrong with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/result.h"
#include "postoffice/config/value_types.h"

namespace postoffice {

/// 1, yes, true, on or 0, no, false, off.
Result<bool> parse_flag(std::string_view text);
/// A whole number from `least` to `most`.
Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t least, std::uint64_t most);
/// Octets: a number with k, m or g behind it (1k is 1024, everywhere); without a letter it counts `unit`
/// octets.
Result<std::uint64_t> parse_size(std::string_view text, std::uint64_t unit = 1);
/// A span of time: numbers with w, d, h, m or s, the greater unit first ("1h30m"); a bare number is seconds.
/// At most ten years, so that adding it to a date cannot overflow.
Result<Seconds> parse_duration(std::string_view text);
/// Times separated by commas; at least one, none of them 0.
Result<std::vector<Seconds>> parse_durations(std::string_view text);

/// "N/TIME", such as 100/1h; 0 is no limit.
Result<RateLimit> parse_rate(std::string_view text);

/// "ADDRESS:PORT", "[IPV6]:PORT" or ":PORT" for all addresses, then any number of ",OPTION".
Result<ListenAddress> parse_listen(std::string_view text);
/// "[ADDRESS]:PORT, domain=DOMAIN"; `tls`: from the first octet.
Result<ListenAddress> parse_pop3_listen(std::string_view text, bool tls);
/// An IPv4 or IPv6 address without brackets.
Result<IpAddress> parse_ip_address(std::string_view text);
/// A domain or host name (RFC 1123 section 2.1, RFC 5321 section 4.1.2; underscores are let pass), in lower
/// case and with A-labels (RFC 5890).
Result<std::string> parse_domain(std::string_view text);
/// "HOST" or "HOST:PORT"; HOST is a name, an IPv4 address, or either of them or an IPv6 address in brackets.
/// Brackets around a name make no difference.
Result<RelayHost> parse_relay_host(std::string_view text);
/// "none", "may", "encrypt", "verify", "fingerprint", "dane", "dane-only".
Result<TlsLevel> parse_tls_level(std::string_view text);
/// The same, as far as it needs nothing else to be given.
Result<TlsLevel> parse_remote_tls(std::string_view text);
/// "auto", "trust" or "none".
Result<DnssecTrust> parse_dnssec(std::string_view text);
/// "lmtp:/PATH", "lmtp:ADDRESS[:PORT]"; "mailbox" is no server.
Result<std::optional<LmtpServer>> parse_local_transport(std::string_view text);
/// "/PATH", "HOST:PORT" or "[IPV6]:PORT"; as Postfix and sendmail write them: "unix:/PATH", "local:/PATH",
/// "inet:HOST:PORT", "inet:PORT@HOST", and "inet6:" for either.
Result<SocketPlace> parse_socket_place(std::string_view text);
/// The same, then any number of ",OPTION=VALUE", postoffice.cf(5).
Result<FilterSettings> parse_filter(std::string_view text);
/// The same as parse_filter(), with other options.
Result<PolicyService> parse_policy_service(std::string_view text);
/// "IP", "IP:PORT" or "[IP]:PORT".
Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port);
/// Adds a host as `trusted=` has it: a name, an address or a network, see parse_network(). Returns what is
/// wrong with it, or "".
std::string add_host(HostList& list, std::string_view text);
/// An address or a network (RFC 4632 section 3.1, RFC 4291 section 2.3), in brackets or not. Bits behind the
/// prefix are refused: the text says two things.
Result<IpNetwork> parse_network(std::string_view text);
/// "bounce", "accept", "folder:PATH" or "file:PATH", where PATH is ~/PATH or NAME.
Result<UnwantedMail> parse_unwanted_mail(std::string_view text);
/// The same, and "bounce:WHY".
Result<UnwantedMail> parse_spam(std::string_view text);
/// "ZONE" or "ZONE=ADDRESS,ADDRESS…", with IPv4 addresses.
Result<DnsList> parse_dns_list(std::string_view text);
/// "NAME SETTING=VALUE SETTING=VALUE…", with the settings destination-agents, destination-rate,
/// source-address and helo-name. A name that a table of routes understands anyway is refused.
Result<Transport> parse_transport(std::string_view text);
/// Adds addresses, separated by commas; returns what is wrong, or "".
std::string add_source_addresses(Transport& transport, std::string_view text);
/// "PATTERN:TARGET,TARGET…", usermap(7); the pattern in lower case.
Result<UserMap> parse_usermap(std::string_view text);
/// Solicitation class keywords, separated by commas (RFC 3865 section 2).
Result<std::string> parse_solicitation_keywords(std::string_view text);
/// A login name, as useradd(8) would let it be.
Result<std::string> parse_login(std::string_view text);
/// "USER", "USER:GROUP" or "USER.GROUP", by name or number; never root.
Result<AccountName> parse_account_name(std::string_view text);
/// An absolute path without "." or ".." components; a '/' at the end is dropped.
Result<std::string> parse_absolute_path(std::string_view text);

}  // namespace postoffice
