#include "postoffice/delivery/tls_reporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <system_error>

#include "postoffice/base/base64.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/gzip.h"
#include "postoffice/base/log.h"
#include "postoffice/net/resolver.h"
#include "postoffice/outbound/tls_report.h"
#include "postoffice/queue/report.h"
#include "postoffice/routing/recipients.h"

namespace postoffice {
namespace {

constexpr UnixTime day = 86400;
constexpr UnixTime longest_delay = 4 * 3600;
constexpr unsigned most_questions = 10;  // the records, and CNAMEs that lead to them

UnixTime delay_of(const Config& config) {
    return static_cast<UnixTime>(std::hash<std::string>()(config.identity.hostname) % longest_delay);
}

/// A report of yesterday waits for its time, one of an earlier day does not.
bool is_due(const Config& config, const TlsResultDay& results, UnixTime now) {
    return now >= results.begin + day + delay_of(config);
}

Address contact_of(const Config& config) {
    const IdentityConfig& identity = config.identity;
    return {"postmaster", identity.masquerade.empty() ? identity.hostname : identity.masquerade};
}

/// Of base 64 (RFC 2045 section 6.8).
std::string in_lines(std::string_view text) {
    constexpr std::size_t longest = 76;
    std::string lines;
    for (; !text.empty(); text.remove_prefix(std::min(longest, text.size())))
        lines.append(text.substr(0, longest)).append("\n");
    return lines;
}

/// Section 5.3.
void write_report(Message& message, const TlsReport& report, const Address& to, const std::string& id) {
    MultipartReport parts(message, boundary_for(id));
    parts.begin(
        {.id = id,
         .hostname = report.submitter,
         .to = to,
         .subject = report.subject(),
         .now = now_unix(),
         .from_name = "TLS reports",
         .from = report.contact,
         .more_fields = fmt::format("TLS-Report-Domain: {}\nTLS-Report-Submitter: {}\nTLS-Required: No\n",
                                    report.domain, report.submitter),
         .is_answer = false},
        "multipart/report; report-type=\"tlsrpt\"", false);
    parts.add_text(
        fmt::format("This is a report about TLS (RFC 8460) of {}:\nhow its connections to the mail "
                    "hosts of {} went on {} (UTC).\n",
                    report.submitter, report.domain, rfc3339_utc(report.begin).substr(0, 10)));
    parts.begin_part(fmt::format("application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n"
                                 "Content-Disposition: attachment;\n\tfilename=\"{}\"",
                                 report.file_name()),
                     false);
    parts.append(in_lines(base64(gzip_file(report.to_json()))));
    parts.end();
}

/// Where the address leads is found when the queue delivers the report.
std::string queue_report(const Spool& spool, const TlsReport& report, const Address& to) {
    const std::string id = Spool::new_id();
    Envelope envelope;
    envelope.sender = report.contact;
    envelope.arrived = now_unix();
    envelope.origin.protocol = "local";
    envelope.origin.submitter = "report about TLS to " + report.domain;
    envelope.parameters.tls = TlsWish::waived;  // it may be about a policy with which no mail arrives
    RecipientCollector recipients;
    recipients.add_unrouted(to, {{.never = true}, ""});
    recipients.move_to(envelope);
    Message message(spool.directory());
    write_report(message, report, to, id);
    { const QueueEntry queued = spool.commit(id, envelope, message); }
    log_event(id, "queued",
              {{"from", "<" + report.contact.to_string() + ">"},
               {"to", "<" + to.to_string() + ">"},
               {"submitter", envelope.origin.submitter}});
    return id;
}

std::map<std::string, TlsCounts> by_domain(const TlsCounts& counts) {
    std::map<std::string, TlsCounts> domains;
    for (const auto& [result, count] : counts) domains[result.domain].emplace(result, count);
    return domains;
}

std::vector<Address> addresses_of(const Config& config, const Resolver& resolver, const std::string& domain) {
    const RecordLookup lookup = resolver.until(Deadline::after(config.remote.lookup_timeout), most_questions)
                                    .records("_smtp._tls." + domain, DnsType::txt);
    std::vector<std::string> records;
    for (const DnsRecord& record : lookup.records) records.push_back(record.text);
    return tls_report_addresses(records);
}

}  // namespace

std::string tls_results_folder(const Config& config) {
    return config.queue.dir + "/tls-reports";
}

bool are_tls_reports_due(const Config& config, UnixTime now) {
    const auto days = days_of_tls_results(tls_results_folder(config));
    return std::any_of(days.begin(), days.end(),
                       [&](const TlsResultDay& results) { return is_due(config, results, now); });
}

void send_tls_reports(const Config& config, const Spool& spool, const QueueNotificationWriter& runner,
                      UnixTime now) try {
    ResolverSource name_servers(config.network.nameservers);
    const Resolver resolver(name_servers.news().value());
    for (const TlsResultDay& results : days_of_tls_results(tls_results_folder(config))) {
        if (!is_due(config, results, now)) continue;
        const TlsCounts counts = read_tls_results(results.file);
        disk::unlink(results.file);
        if (!config.remote.tls_reports) continue;
        for (auto& [domain, own] : by_domain(counts)) {
            const TlsReport report{domain, config.identity.hostname, contact_of(config), results.begin,
                                   std::move(own)};
            for (const Address& to : addresses_of(config, resolver, domain))
                (void)runner.queued(queue_report(spool, report, to));
        }
    }
} catch (const std::system_error& error) {
    log_event("", "tls-report-failed", {{"reason", in_plain_words(error)}});
}

}  // namespace postoffice
