// Answers questions about parsers and policies on standard input, for tests that have their cases from
// elsewhere. A question is one line of words, all but the first in hexadecimal, so that any octets can be
// asked about; an answer is one line.
//
//     spf SERVER:PORT CLIENT HELO LOCAL-PART DOMAIN   pass, softfail, temperror …
//     path TEXT                                       "ok ADDRESS" or "no PROBLEM": the argument of MAIL
//     FROM: lenient TEXT                                    the same with strict-addresses=0 field TEXT "ok
//     ADDRESS", "no PROBLEM": the body of a To: field with one address
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "postoffice/base/text.h"
#include "postoffice/mail/address.h"
#include "postoffice/net/resolver.h"
#include "postoffice/policy/spf.h"

namespace {

using namespace postoffice;

std::string from_hex(const std::string& text) {
    std::string octets;
    if (text == "-") return octets;  // an empty word
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        octets += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
    return octets;
}

std::string spf(const std::vector<std::string>& words) {
    ResolverSettings settings;
    settings.servers = {*Endpoint::parse(words.at(0), 53)};
    settings.timeout = Milliseconds(300);
    settings.attempts = 1;
    settings.hosts_file = "";
    const Resolver resolver(settings);
    const SpfClaim claim{*IpAddress::parse(words.at(1)), Address(words.at(3), words.at(4)), words.at(2)};
    return std::string(to_string(check_spf(resolver, claim).result));
}

std::string path(const std::string& text, bool lenient) {
    const auto found = parse_path("<" + text + ">", {.lenient = lenient});
    return found ? "ok " + found->address.to_string() : "no " + found.problem();
}

std::string field(const std::string& text) {
    const auto found = parse_address_list(text);
    if (!found) return "no " + found.problem();
    return found->size() == 1 ? "ok " + found->front().to_string()
                              : "no " + std::to_string(found->size()) + " addresses";
}

std::string answer(const std::string& line) {
    std::istringstream stream(line);
    std::string question;
    stream >> question;
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(from_hex(word));
    if (question == "spf") return spf(words);
    if (question == "path") return path(words.at(0), false);
    if (question == "lenient") return path(words.at(0), true);
    if (question == "field") return field(words.at(0));
    return "no such question";
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) std::cout << printable(answer(line)) << std::endl;
}
