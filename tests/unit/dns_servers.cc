#include "dns_servers.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "postoffice/base/error.h"
#include "postoffice/base/process.h"
#include "postoffice/base/text.h"
#include "postoffice/net/dns_client.h"

namespace postoffice {
namespace {

Fd bound_socket(int type, std::uint16_t port) {
    Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    const socklen_t length = Endpoint{*IpAddress::parse("127.0.0.1"), port}.to_sockaddr(storage);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) return {};
    return socket;
}

struct PortPair {
    Fd udp;
    Fd tcp;
    Endpoint endpoint;
};

// The same port for both; the kernel chooses it.
PortPair free_port() {
    for (int i = 0; i < 100; ++i) {
        PortPair pair;
        pair.tcp = bound_socket(SOCK_STREAM, 0);
        pair.endpoint = Endpoint::local_of(pair.tcp.get()).value();
        pair.udp = bound_socket(SOCK_DGRAM, pair.endpoint.port);
        if (pair.udp) return pair;
    }
    throw std::runtime_error("no free port");
}

std::string nsd_path() {
    for (const char* path : {"/usr/sbin/nsd", "/usr/local/sbin/nsd"})
        if (::access(path, X_OK) == 0) return path;
    return {};
}

FakeQuery read_query(std::string octets, bool by_tcp) {
    FakeQuery query;
    if (const auto message = decode_message(octets); message && message->question) {
        query.question = *message->question;
        query.id = message->id;
        query.has_edns = octets[11] != 0;
    }
    query.octets = std::move(octets);
    query.by_tcp = by_tcp;
    return query;
}

}  // namespace

bool Nsd::is_installed() {
    return !nsd_path().empty();
}

Nsd::Nsd(const std::map<std::string, std::string>& zones) {
    std::string pattern = (std::filesystem::temp_directory_path() / "postoffice-nsd-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw_errno("mkdtemp");
    folder_ = pattern;
    for (const auto& [name, records] : zones) {
        std::ofstream(folder_ + "/" + name + "zone")
            << "$ORIGIN " << name
            << "\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
            << records;
        zone_options_ += fmt::format("zone:\n  name: \"{0}\"\n  zonefile: \"{0}zone\"\n", name);
    }
    for (int i = 0; i < 5; ++i) {
        if (start()) return;
        stop();
    }
    std::filesystem::remove_all(folder_);
    throw std::runtime_error("nsd does not start");
}

Nsd::~Nsd() {
    stop();
    std::filesystem::remove_all(folder_);
}

bool Nsd::start() {
    endpoint_ = free_port().endpoint;
    std::ofstream(folder_ + "/nsd.conf") << fmt::format(
        "server:\n  ip-address: 127.0.0.1@{0}\n  zonesdir: \"{1}\"\n  database: \"\"\n  pidfile: "
        "\"{1}/pid\"\n"
        "  xfrdfile: \"{1}/xfrd\"\n  xfrdir: \"{1}\"\n  zonelistfile: \"{1}/zonelist\"\n  logfile: "
        "\"{1}/log\"\n"
        "  username: \"\"\n  server-count: 1\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n{2}",
        endpoint_.port, folder_, zone_options_);
    pid_ = spawn_process("nsd", [this, parent = ::getpid()] {
        end_with_parent(parent);
        const std::string program = nsd_path();
        const std::string file = folder_ + "/nsd.conf";
        ::execl(program.c_str(), "nsd", "-d", "-c", file.c_str(), nullptr);
        return 127;
    });
    for (int i = 0; i < 200; ++i) {
        if (ask_dns_server(endpoint_, {"version.test", DnsType::a}, false, Milliseconds(200))) return true;
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            return false;
        }
        ::usleep(50'000);
    }
    return false;
}

void Nsd::stop() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

FakeDns::FakeDns(Reply reply) : reply_(std::move(reply)), end_(make_pipe()) {
    auto port = free_port();
    udp_ = std::move(port.udp);
    tcp_ = std::move(port.tcp);
    endpoint_ = port.endpoint;
    if (::listen(tcp_.get(), 10) != 0) throw_errno("listen");
    thread_ = std::thread([this] { serve(); });
}

FakeDns::~FakeDns() {
    end_.write_end.reset();
    thread_.join();
}

void FakeDns::serve() {
    for (;;) {
        pollfd waiting[] = {
            {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}, {end_.read_end.get(), POLLIN, 0}};
        if (::poll(waiting, 3, -1) < 0) continue;
        if (waiting[2].revents != 0) return;
        if (waiting[0].revents != 0) serve_udp();
        if (waiting[1].revents != 0) serve_tcp();
    }
}

void FakeDns::serve_udp() {
    char buffer[2048];
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    auto* const address = reinterpret_cast<sockaddr*>(&peer);
    const ssize_t n = ::recvfrom(udp_.get(), buffer, sizeof buffer, 0, address, &length);
    if (n < 0) return;
    ++questions_;
    FakeQuery query = read_query({buffer, static_cast<std::size_t>(n)}, false);
    query.client_port = Endpoint::from_sockaddr(address)->port;
    for (const auto& answer : reply_(query)) {
        const Fd other = answer.from_other_port ? bound_socket(SOCK_DGRAM, 0) : Fd();
        const int from = other ? other.get() : udp_.get();
        (void)::sendto(from, answer.octets.data(), answer.octets.size(), 0, address, length);
    }
}

void FakeDns::serve_tcp() {
    const Fd client(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const timeval patience{10, 0};
    (void)::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char buffer[2048];
    const ssize_t n = ::recv(client.get(), buffer, sizeof buffer, 0);
    if (n <= 2) return;
    ++questions_;
    for (const auto& answer : reply_(read_query({buffer + 2, static_cast<std::size_t>(n - 2)}, true))) {
        const auto size = static_cast<unsigned>(answer.octets.size());
        const std::string octets = (answer.with_length ? wire_u16(size) : "") + answer.octets;
        (void)::send(client.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    }
}

std::string wire_u16(unsigned value) {
    return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

std::string wire_name(std::string_view name) {
    std::string wire;
    if (!name.empty())
        for (const auto label : split(name, '.')) {
            wire += static_cast<char>(label.size());
            wire += label;
        }
    return wire + '\0';
}

std::string wire_record(std::string_view owner, DnsType type, const std::string& data) {
    return wire_name(owner) + wire_u16(static_cast<unsigned>(type)) + wire_u16(1) + std::string(4, '\0') +
           wire_u16(static_cast<unsigned>(data.size())) + data;
}

std::string a_record(std::string_view owner, std::string_view address) {
    return wire_record(owner, DnsType::a, std::string(IpAddress::parse(address)->bytes()));
}

std::string cname_record(std::string_view owner, std::string_view target) {
    return wire_record(owner, DnsType::cname, wire_name(target));
}

std::string wire_response(const FakeQuery& query, unsigned flags, const std::vector<std::string>& answers,
                          const std::vector<std::string>& authority) {
    std::string wire = wire_u16(query.id) + wire_u16(flags) + wire_u16(1) +
                       wire_u16(static_cast<unsigned>(answers.size())) +
                       wire_u16(static_cast<unsigned>(authority.size())) + wire_u16(0);
    wire +=
        wire_name(query.question.name) + wire_u16(static_cast<unsigned>(query.question.type)) + wire_u16(1);
    for (const auto& record : answers) wire += record;
    for (const auto& record : authority) wire += record;
    return wire;
}

std::string answer_with(const FakeQuery& query, std::string_view address) {
    return wire_response(query, response_flags, {a_record(query.question.name, address)});
}

std::vector<FakeAnswer> proper_answer(const FakeQuery& query) {
    if (query.question.type == DnsType::a) return {{answer_with(query, good)}};
    return {{wire_response(query, response_flags, {}, {wire_record("test", DnsType::soa, "x")})}};
}

Texts texts(const std::vector<IpAddress>& addresses) {
    Texts list;
    for (const auto& address : addresses) list.push_back(address.to_string());
    return list;
}

ResolverSettings test_settings(std::vector<Endpoint> servers) {
    ResolverSettings settings;
    settings.servers = std::move(servers);
    settings.hosts_file.clear();
    return settings;
}

}  // namespace postoffice
