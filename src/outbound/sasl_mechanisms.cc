// The mechanisms with which this host logs in at relay hosts.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "postoffice/base/base64.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/outbound/relay_login.h"
#include "postoffice/policy/scram.h"

namespace postoffice {
namespace {

constexpr std::string_view scram = "SCRAM-SHA-256", scram_plus = "SCRAM-SHA-256-PLUS";

/// RFC 4616.
class Plain final : public SaslExchange {
  public:
    explicit Plain(const RelayLogin& login) : login_(login) {}
    std::string_view mechanism() const override { return "PLAIN"; }
    std::optional<std::string> initial_response() override {
        return std::string(1, '\0') + login_.user + '\0' + login_.secret;
    }
    std::optional<std::string> respond(std::string_view) override { return std::nullopt; }

  private:
    const RelayLogin login_;
};

/// Two questions, for a name and a password, in words that servers choose. draft-murchison-sasl-login-00.
class Login final : public SaslExchange {
  public:
    explicit Login(const RelayLogin& login) : login_(login) {}
    std::string_view mechanism() const override { return "LOGIN"; }
    std::optional<std::string> initial_response() override { return std::nullopt; }
    std::optional<std::string> respond(std::string_view) override {
        switch (step_++) {
            case 0:
                return login_.user;
            case 1:
                return login_.secret;
            default:
                return std::nullopt;
        }
    }

  private:
    const RelayLogin login_;
    int step_ = 0;
};

/// A refusal of a token comes as a challenge, which wants an answer before the server refuses for good.
class Bearer final : public SaslExchange {
  public:
    Bearer(std::string_view mechanism, std::string first, std::string after_error)
        : mechanism_(mechanism), first_(std::move(first)), after_error_(std::move(after_error)) {}
    std::string_view mechanism() const override { return mechanism_; }
    std::optional<std::string> initial_response() override { return first_; }
    std::optional<std::string> respond(std::string_view) override {
        return std::exchange(after_error_, std::nullopt);
    }

  private:
    std::string_view mechanism_;
    std::string first_;
    std::optional<std::string> after_error_;
};

/// RFC 5802 section 5.1: '=' and ',' in names.
std::string scram_name(std::string_view name) {
    std::string result;
    for (const char c : name) {
        if (c == '=')
            result += "=3D";
        else if (c == ',')
            result += "=2C";
        else
            result += c;
    }
    return result;
}

std::string make_nonce() {
    std::array<char, 18> octets{};
    if (::getentropy(octets.data(), octets.size()) != 0) throw_errno("random numbers");
    return base64({octets.data(), octets.size()});
}

std::string_view as_text(const ScramDigest& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// What the proof of SCRAM says of the channel (RFC 5802 section 6): the gs2 header, and the data that both
/// ends know of it.
struct ScramBinding {
    std::string header = "n,,";  ///< this client knows no data
    std::string data = "";
    bool is_bound() const { return header.front() == 'p'; }
};

/// `is_offered`: the server has -PLUS in its offer. Otherwise it is told that this client could have bound
/// the proof: a server that did offer it knows then that a host between them has removed the offer.
ScramBinding binding_of(const ChannelBinding& channel, bool is_offered) {
    if (!channel) return {};
    if (!is_offered) return {"y,,"};
    constexpr std::string_view kind = "tls-exporter";
    const auto data = channel(kind);
    return data ? ScramBinding{fmt::format("p={},,", kind), *data} : ScramBinding();
}

/// RFC 5802 and 7677. The server proves in its turn that it knows the password.
class Scram final : public SaslExchange {
  public:
    Scram(const RelayLogin& login, ScramBinding binding)
        : secret_(login.secret),
          nonce_(make_nonce()),
          first_(fmt::format("n={},r={}", scram_name(login.user), nonce_)),
          binding_(std::move(binding)) {}
    std::string_view mechanism() const override { return binding_.is_bound() ? scram_plus : scram; }
    std::optional<std::string> initial_response() override { return binding_.header + first_; }
    std::optional<std::string> respond(std::string_view challenge) override {
        switch (step_++) {
            case 0:
                return prove(challenge);
            case 1:
                is_satisfied_ = challenge == "v=" + base64(as_text(signature_));
                return is_satisfied_ ? std::optional<std::string>("") : std::nullopt;
            default:
                return std::nullopt;
        }
    }
    bool is_satisfied() const override { return is_satisfied_; }

  private:
    /// Fewer would make the password cheap to guess for a server that asks for them (RFC 7677 section 4);
    /// more are an attack.
    static constexpr std::uint64_t least_iterations = 4096, most_iterations = 1'000'000;

    std::optional<std::string> prove(std::string_view challenge) {
        const auto fields = split(challenge, ',');
        if (fields.size() < 3 || !fields[0].starts_with("r=" + nonce_) ||
            fields[0].size() <= nonce_.size() + 2 || !fields[1].starts_with("s=") ||
            !fields[2].starts_with("i="))
            return std::nullopt;
        const auto salt = decode_base64(fields[1].substr(2));
        const auto iterations = parse_number(fields[2].substr(2));
        if (!salt || salt->empty() || !iterations || *iterations < least_iterations ||
            *iterations > most_iterations)
            return std::nullopt;
        const std::string last = fmt::format("c={},{}", base64(binding_.header + binding_.data), fields[0]);
        const auto proof = make_scram_proof(secret_, *salt, static_cast<unsigned>(*iterations),
                                            fmt::format("{},{},{}", first_, challenge, last));
        signature_ = proof.server_signature;
        return fmt::format("{},p={}", last, base64(as_text(proof.client_proof)));
    }

    const std::string secret_, nonce_, first_;
    const ScramBinding binding_;
    ScramDigest signature_{};
    int step_ = 0;
    bool is_satisfied_ = false;
};

}  // namespace

std::unique_ptr<SaslExchange> choose_mechanism(std::string_view offered, const RelayLogin& login,
                                               std::string_view host, std::uint16_t port,
                                               const ChannelBinding& channel) {
    const auto words = split(offered, ' ');
    const auto offers = [&](std::string_view name) {
        return std::any_of(words.begin(), words.end(),
                           [&](std::string_view word) { return equals_ignoring_case(word, name); });
    };
    if (login.is_token) {
        if (offers("OAUTHBEARER"))
            return std::make_unique<Bearer>("OAUTHBEARER",
                                            fmt::format("n,a={},\1host={}\1port={}\1auth=Bearer {}\1\1",
                                                        scram_name(login.user), host, port, login.secret),
                                            "\1");
        if (offers("XOAUTH2"))
            return std::make_unique<Bearer>(
                "XOAUTH2", fmt::format("user={}\1auth=Bearer {}\1\1", login.user, login.secret), "");
        return nullptr;
    }
    const ScramBinding binding = binding_of(channel, offers(scram_plus));
    if (has_scram && (binding.is_bound() || offers(scram))) return std::make_unique<Scram>(login, binding);
    if (offers("PLAIN")) return std::make_unique<Plain>(login);
    if (offers("LOGIN")) return std::make_unique<Login>(login);
    return nullptr;
}

}  // namespace postoffice
