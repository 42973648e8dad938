#include "postoffice/net/hosts_file.h"

#include <fcntl.h>

#include <algorithm>
#include <functional>

#include "postoffice/base/disk.h"
#include "postoffice/base/text.h"
#include "postoffice/net/dns_message.h"

namespace postoffice {
namespace {

constexpr std::size_t largest_file = 64 << 20;  // block lists are kept in it, with a name for each host

std::string_view read_word(std::string_view& rest) {
    constexpr std::string_view blanks = " \t\r";
    rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
    const auto word = rest.substr(0, rest.find_first_of(blanks));
    rest.remove_prefix(word.size());
    return word;
}

using Visitor = std::function<void(const IpAddress& address, std::string_view name)>;

void for_each_entry(const std::string& path, const Visitor& visit) {
    const Fd file = disk::open_if_exists(path, O_RDONLY);
    if (!file) return;
    const std::string text = disk::read_all(file.get(), largest_file);
    std::string_view rest = text;
    while (!rest.empty()) {
        std::string_view line = read_until(rest, '\n');
        line = line.substr(0, line.find('#'));
        const auto address = IpAddress::parse(read_word(line));
        if (!address) continue;
        for (auto name = read_word(line); !name.empty(); name = read_word(line)) visit(*address, name);
    }
}

}  // namespace

std::vector<IpAddress> addresses_in_hosts_file(const std::string& path, std::string_view host) {
    std::vector<IpAddress> found;
    for_each_entry(path, [&](const IpAddress& address, std::string_view name) {
        if (equals_ignoring_case(name, host) && std::find(found.begin(), found.end(), address) == found.end())
            found.push_back(address);
    });
    return found;
}

std::vector<std::string> names_in_hosts_file(const std::string& path, const IpAddress& address) {
    std::vector<std::string> found;
    for_each_entry(path, [&](const IpAddress& listed, std::string_view name) {
        if (listed == address) found.push_back(normalized_name(name));
    });
    return found;
}

}  // namespace postoffice
