#include "postoffice/routing/next_hop.h"

namespace postoffice {
namespace {

struct Describe {
    std::string operator()(const NextHop::MailHosts& hosts) const { return hosts.domain; }
    std::string operator()(const NextHop::Relays& relays) const {
        return (relays.speak_lmtp ? "lmtp:" : "") + to_text(relays.hosts);
    }
    std::string operator()(const NextHop::LmtpSocket& socket) const { return "lmtp:" + socket.path; }
    std::string operator()(const NextHop::Alias& alias) const { return "alias:" + alias.name; }
    std::string operator()(const NextHop::Discard&) const { return "discard"; }
    std::string operator()(const NextHop::Refusal& refusal) const { return "error: " + refusal.reply.line(); }
    std::string operator()(const NextHop::Unknown& unknown) const { return unknown.why; }
};

}  // namespace

std::string NextHop::to_string() const {
    return (transport.empty() ? "" : transport + ":") + std::visit(Describe(), where);
}

}  // namespace postoffice
