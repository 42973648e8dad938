#include "postoffice/pop3/client.h"

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_answer = 64 * 1024;  // a line of mail may be long

}  // namespace

std::string Pop3Client::answer() {
    const Line line = connection_.read_line(longest_answer, deadline());
    if (line.status == Line::Status::closed) throw PeerGone("the server closed the connection");
    std::string_view text = line.text;
    if (!text.starts_with("+OK")) throw Pop3Refused(printable(text));
    text.remove_prefix(3);
    return std::string(trim(text));
}

std::string Pop3Client::greet() {
    return answer();
}

void Pop3Client::start_tls(TlsClient& tls, const TlsPeer& peer) {
    connection_.start_tls(tls, peer, deadline());
    if (const auto& failure = connection_.tls()->failure()) throw FormatError(failure->text);
}

void Pop3Client::begin_tls(TlsClient& tls, const TlsPeer& peer) {
    ask("STLS");
    start_tls(tls, peer);
}

std::vector<std::string> Pop3Client::capabilities() {
    try {
        return ask_for_lines("CAPA");
    } catch (const Pop3Refused&) {
        return {};
    }
}

void Pop3Client::log_in(const std::string& user, const std::string& password) {
    ask("USER " + user);
    ask("PASS " + password);
}

std::string Pop3Client::ask(const std::string& command) {
    connection_.write(command + "\r\n", deadline());
    return answer();
}

std::vector<std::string> Pop3Client::ask_for_lines(const std::string& command) {
    (void)ask(command);
    std::vector<std::string> lines;
    for (;;) {
        const Line line = connection_.read_line(longest_answer, deadline());
        if (line.status == Line::Status::closed) throw PeerGone("the server closed the connection");
        if (line.text == ".") return lines;
        lines.emplace_back(line.text.starts_with('.') ? line.text.substr(1) : line.text);
    }
}

}  // namespace postoffice
