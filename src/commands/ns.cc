// ns: what the resolver of the server finds in DNS, to find out why mail is not delivered.
#include <fmt/format.h>
#include <getopt.h>
#include <sysexits.h>

#include <cstdio>

#include "postoffice/base/error.h"
#include "postoffice/base/idn.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/config/options.h"
#include "postoffice/net/resolver.h"

namespace postoffice {
namespace {

int show_ns_usage(int exit_code = EX_USAGE) {
    write_text(exit_code == EX_OK ? stdout : stderr,
               "usage: ns [-C file] [-s server] name [a | aaaa | mx | ptr | txt | cname]\n");
    return exit_code;
}

std::optional<DnsType> type_named(std::string_view name) {
    for (const DnsType type :
         {DnsType::a, DnsType::aaaa, DnsType::mx, DnsType::ptr, DnsType::txt, DnsType::cname})
        if (equals_ignoring_case(to_string(type), name)) return type;
    return std::nullopt;
}

std::string data_of(const DnsRecord& record) {
    switch (record.type) {
        case DnsType::a:
        case DnsType::aaaa:
            return record.address.to_string();
        case DnsType::mx:
            return fmt::format("{} {}.", record.preference, record.target);
        case DnsType::txt:
            return "\"" + printable(record.text) + "\"";
        default:
            return record.target + ".";
    }
}

/// The exit status for what was found of one type.
int print_records(const Resolver& resolver, const std::string& name, DnsType type) {
    const RecordLookup found = resolver.records(name, type);
    for (const DnsRecord& record : found.records)
        print_output("{}. {} {}\n", record.owner, to_string(record.type), data_of(record));
    if (found.status == DnsStatus::found) return EX_OK;
    print_output("{}. {}: {}\n", name, to_string(type), printable(found.why));
    return found.status == DnsStatus::temporary ? EX_TEMPFAIL : EX_NOHOST;
}

/// A name that has one of the types has been found; one that could not be asked for may have it.
int print_all(const Resolver& resolver, const std::string& name) {
    bool is_found = false, is_unknown = false;
    for (const DnsType type : {DnsType::a, DnsType::aaaa, DnsType::mx}) {
        const int status = print_records(resolver, name, type);
        is_found = is_found || status == EX_OK;
        is_unknown = is_unknown || status == EX_TEMPFAIL;
    }
    return is_found ? EX_OK : is_unknown ? EX_TEMPFAIL : EX_NOHOST;
}

}  // namespace

int ns(int argc, char** argv) {
    if (asks_for_help(argc, argv)) return show_ns_usage(EX_OK);
    std::optional<std::string> config_file, server;
    ::opterr = 0;
    for (int letter; (letter = ::getopt(argc, argv, "C:s:")) != -1;) {
        if (letter != 'C' && letter != 's') return show_ns_usage();
        (letter == 'C' ? config_file : server) = ::optarg;
    }
    const int words = argc - ::optind;
    const auto type = words == 2 ? type_named(argv[::optind + 1]) : std::nullopt;
    if (words < 1 || words > 2 || (words == 2 && !type)) return show_ns_usage();
    const LoadedConfig loaded = load_config(config_source(config_file, {}));
    for (const ConfigProblem& problem : loaded.problems) print_error("ns: {}\n", problem.text);
    if (!loaded.problems.empty()) return loaded.exit_code();
    auto nameservers = loaded.config.network.nameservers;
    if (server) {
        const auto endpoint = Endpoint::parse(*server, dns_port);
        if (!endpoint) {
            print_error("ns: name server \"{}\" is no IP address\n", printable(*server));
            return EX_UNAVAILABLE;
        }
        nameservers = {*endpoint};
    }
    try {
        const Resolver resolver(ResolverSettings::from(nameservers));
        const std::string_view asked = argv[::optind];
        if (const auto address = IpAddress::parse(asked))
            return print_records(resolver, address->reverse_name(), DnsType::ptr);
        const auto name = domain_to_ascii(normalized_name(asked));
        if (!name) return show_ns_usage();
        return type ? print_records(resolver, *name, *type) : print_all(resolver, *name);
    } catch (const std::exception& error) {
        print_error("ns: {}\n", in_plain_words(error));
        return EX_UNAVAILABLE;
    }
}

}  // namespace postoffice
