// DNS servers for tests: a real one (nsd) for what DNS says, and one that answers whatever a test makes up,
// for what no proper server does. Both listen on loopback and end with their objects.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "postoffice/base/fd.h"
#include "postoffice/net/resolver.h"

namespace postoffice {

// A name server in a process of its own, with the zones given: name and contents of the zone file.
class Nsd {
  public:
    static bool is_installed();
    explicit Nsd(const std::map<std::string, std::string>& zones);
    ~Nsd();
    Nsd(const Nsd&) = delete;
    Nsd& operator=(const Nsd&) = delete;

    const Endpoint& endpoint() const { return endpoint_; }

  private:
    bool start();
    void stop();

    std::string folder_;
    std::string zone_options_;
    Endpoint endpoint_;
    pid_t pid_ = -1;
};

struct FakeQuery {
    std::string octets;
    DnsQuestion question;
    bool by_tcp = false;
    bool has_edns = false;
    std::uint16_t id = 0;
    std::uint16_t client_port = 0;
};

struct FakeAnswer {
    std::string octets;
    bool from_other_port = false;  // UDP only
    bool with_length = true;       // TCP only: the two octets before the message
};

// Answers UDP and TCP on one port from a thread; `reply` may return any number of answers. A TCP connection
// is closed after them.
class FakeDns {
  public:
    using Reply = std::function<std::vector<FakeAnswer>(const FakeQuery&)>;
    explicit FakeDns(Reply reply);
    ~FakeDns();
    FakeDns(const FakeDns&) = delete;
    FakeDns& operator=(const FakeDns&) = delete;

    const Endpoint& endpoint() const { return endpoint_; }
    int questions() const { return questions_; }

  private:
    void serve();
    void serve_udp();
    void serve_tcp();

    Reply reply_;
    Fd udp_;
    Fd tcp_;
    Pipe end_;
    Endpoint endpoint_;
    std::atomic<int> questions_{0};
    std::thread thread_;
};

// Pieces of wire format.
std::string wire_u16(unsigned value);
std::string wire_name(std::string_view name);
std::string wire_record(std::string_view owner, DnsType type, const std::string& data);
std::string a_record(std::string_view owner, std::string_view address);
std::string cname_record(std::string_view owner, std::string_view target);

constexpr unsigned response_flags = 0x8180;  // an answer of a recursive server
constexpr unsigned truncated_flag = 0x0200;
constexpr unsigned authoritative_flag = 0x0400;

// An answer to the query with these records.
std::string wire_response(const FakeQuery& query, unsigned flags, const std::vector<std::string>& answers,
                          const std::vector<std::string>& authority = {});

// What an honest server says: the address `good` for A, and that there is no data for everything else.
constexpr std::string_view good = "192.0.2.1";
std::string answer_with(const FakeQuery& query, std::string_view address);
std::vector<FakeAnswer> proper_answer(const FakeQuery& query);

using Texts = std::vector<std::string>;
Texts texts(const std::vector<IpAddress>& addresses);

// Blind to the hosts file of this machine.
ResolverSettings test_settings(std::vector<Endpoint> servers);

}  // namespace postoffice
