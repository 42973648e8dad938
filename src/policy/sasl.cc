#include "postoffice/policy/sasl.h"

#include <algorithm>

#include "postoffice/base/base64.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// "saslname": "=2C" is a comma and "=3D" an equals sign, which stands for nothing else.
std::optional<std::string> decode_name(std::string_view text) {
    std::string name;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\0') return std::nullopt;
        if (text[i] != '=') {
            name += text[i];
            continue;
        }
        const auto code = text.substr(i, 3);
        if (code != "=2C" && code != "=3D") return std::nullopt;
        name += code == "=2C" ? ',' : '=';
        i += 2;
    }
    return name;
}

bool is_nonce(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != ','; });
}

/// The value of the next attribute, which must be `key`.
std::optional<std::string_view> read_attribute(std::string_view& rest, char key) {
    const std::string_view attribute = read_until(rest, ',');
    if (attribute.size() < 2 || attribute[0] != key || attribute[1] != '=') return std::nullopt;
    return attribute.substr(2);
}

}  // namespace

std::optional<Credentials> parse_plain(std::string_view message) {
    const auto parts = split(message, '\0');
    if (parts.size() != 3 || parts[1].empty() || parts[2].empty()) return std::nullopt;
    return Credentials{std::string(parts[1]), std::string(parts[2]), std::string(parts[0])};
}

std::optional<ScramFirst> parse_scram_first(std::string_view message) {
    ScramFirst first;
    std::string_view rest = message;
    const std::string_view flag = read_until(rest, ',');
    const std::string_view actor = read_until(rest, ',');
    first.header = message.substr(0, message.size() - rest.size());
    first.bare = rest;

    if (flag.size() > 2 && flag.starts_with("p=")) {
        first.binding = 'p';
        first.binding_name = flag.substr(2);
    } else if (flag == "n" || flag == "y") {
        first.binding = flag[0];
    } else {
        return std::nullopt;
    }
    const auto user = read_attribute(rest, 'n');
    const auto nonce = read_attribute(rest, 'r');
    if (!user || !nonce || !is_nonce(*nonce)) return std::nullopt;
    const auto name = decode_name(*user);
    if (!name || name->empty()) return std::nullopt;
    if (!actor.empty()) {
        if (!actor.starts_with("a=") || decode_name(actor.substr(2)) != name) return std::nullopt;
    }
    first.user = *name;
    first.nonce = *nonce;
    return first;
}

std::optional<ScramFinal> parse_scram_final(std::string_view message) {
    ScramFinal final;
    const auto comma = message.rfind(',');
    if (comma == message.npos) return std::nullopt;
    std::string_view rest = message.substr(0, comma), last = message.substr(comma + 1);
    final.without_proof = rest;
    const auto binding = read_attribute(rest, 'c');
    const auto nonce = read_attribute(rest, 'r');
    const auto proof = read_attribute(last, 'p');
    if (!binding || !nonce || !is_nonce(*nonce) || !proof) return std::nullopt;
    const auto data = decode_base64(*binding), digest = decode_base64(*proof);
    if (!data || !digest || digest->size() != final.proof.size()) return std::nullopt;
    final.binding = *data;
    final.nonce = *nonce;
    std::copy(digest->begin(), digest->end(), final.proof.begin());
    return final;
}

}  // namespace postoffice
