#include "greylist_key.h"

#include <fmt/format.h>

#include "postoffice/base/text.h"
#include "postoffice/mail/address.h"
#include "postoffice/policy/greylisting.h"

namespace postoffice {
namespace {

std::string problem_of_sender(const std::string& text) {
    const auto sender = parse_mailbox(text);
    if (!sender) return fmt::format("\"{}\": {}", printable(text), sender.problem());
    return sender->domain().empty() ? fmt::format("\"{}\" has no domain: write NAME@DOMAIN", printable(text))
                                    : "";
}

/// What stands in brackets: a network of the size that the greylist takes for one client, or a domain.
std::string problem_of_pool(const std::string& text) {
    const auto address = IpAddress::parse(std::string_view(text).substr(0, text.find('/')));
    if (!address)
        return is_valid_domain(text)
                   ? ""
                   : fmt::format("\"{}\" is neither a network nor a domain", printable(text));
    const std::string network = greylist_network(*address);
    return network == text
               ? ""
               : fmt::format("[{}]: the greylist knows networks; write [{}]", printable(text), network);
}

}  // namespace

std::string problem_of_greylist_key(const std::string& key) {
    if (key.empty()) return "the key is empty";
    if (key.starts_with("to:")) return problem_of_sender(key.substr(3));
    if (key.starts_with("from:")) return "";
    const auto open = key.find('[');
    const std::string sender = key.substr(0, open);
    if (open == key.npos)
        return sender == "<>" ? "<> comes from everywhere: write <>[NETWORK]" : problem_of_sender(sender);
    if (!key.ends_with(']')) return fmt::format("\"{}\": ']' is missing at the end", printable(key));
    if (!sender.empty() && sender != "<>")
        if (auto problem = problem_of_sender(sender); !problem.empty()) return problem;
    return problem_of_pool(key.substr(open + 1, key.size() - open - 2));
}

}  // namespace postoffice
