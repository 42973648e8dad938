#include "auth_question.h"

#include <fcntl.h>
#include <string.h>

#include <algorithm>

#include "postoffice/base/accounts.h"
#include "postoffice/base/base64.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/net/kernel_random.h"
#include "postoffice/policy/pam.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/routing/domain_files.h"
#include "postoffice/routing/users.h"
#include "postoffice/routing/virtual_domains.h"

namespace postoffice {
namespace {

constexpr std::size_t nonce_octets = 18;
constexpr std::size_t longest_machine_id = 4096;

/// A name to log in with, taken apart.
struct LoginName {
    std::string name;
    std::string domain;       ///< lower case; empty: none was given
    bool is_account = false;  ///< of the host, not of a virtual domain
};

LoginName parse_login(const Config& config, const std::string& user) {
    const auto at = user.rfind('@');
    if (at == std::string::npos) return {user, "", true};
    const std::string domain = to_lower(user.substr(at + 1));
    return {user.substr(0, at), domain, config.identity.is_local_domain(domain)};
}

/// The answer to a question, and the mailbox that belongs to the login after a yes.
struct Judgement {
    AuthVerdict verdict;
    std::string mailbox = "";  ///< as MailboxTicket has it
};

/// An account of the host. root does not send mail from elsewhere: its password is not there to be guessed at
/// here.
Judgement check_account(const std::string& name, const std::string& password, const std::string& client) {
    const auto account = find_account(name);
    const bool is_root = account && account->uid == 0;
    const AuthOutcome outcome = ask_pam(is_root ? "" : name, password, client);
    if (is_root || (!account && outcome == AuthOutcome::yes)) return {{AuthOutcome::no}};
    const std::string own = account ? account->name : "";
    return {{outcome, own}, own};
}

/// The users of a virtual domain that may be used.
struct DomainUsers {
    std::vector<VirtualUser> list;
    std::optional<Account> owner;  ///< there if the list is not empty
    std::optional<uid_t> keeper;   ///< of their mailboxes

    /// A user that is the owner of the domain has the mailbox of the account.
    std::string mailbox_of(const VirtualUser& user, const std::string& domain) const {
        return identity_of(user, *owner, keeper) == UserIdentity::owner ? owner->name
                                                                        : user.name + "@" + domain;
    }
};

/// As long as the domain is active: a user that may not get mail does not send any. Throws if they cannot be
/// read.
DomainUsers users_of(const Config& config, const std::string& domain_name) {
    DomainTable domains(config.vhost.dir);
    domains.refresh();
    const VirtualDomain* domain = domains.find_line(domain_name);
    if (domain == nullptr) return {};
    if (!domain->problem.empty()) throw FormatError(domain->name + ": " + domain->problem);
    if (!domain->active) return {};
    const Fd file = open_domain_file(domains.folder_of(*domain), *domain, "passwd");
    DomainUsers users{file ? read_virtual_users(file.get()) : std::vector<VirtualUser>(),
                      find_login(domain->owner), vhost_uid(config)};
    std::erase_if(users.list, [&](const VirtualUser& user) {
        return !users.owner || identity_of(user, *users.owner, users.keeper) == UserIdentity::refused;
    });
    return users;
}

/// What a name without a password of its own is compared with: the password of one of the users, so that the
/// name costs what a user costs. `wanted`: of these kinds only.
StoredPassword model_for(const std::vector<VirtualUser>& users, const std::string& name,
                         const ScramDigest& key, std::initializer_list<StoredPassword::Kind> wanted) {
    const std::size_t first = users.empty() ? 0 : stand_in(key, to_lower(name), users.size());
    for (std::size_t i = 0; i < users.size(); ++i)
        if (StoredPassword stored = password_of(users[(first + i) % users.size()]);
            std::find(wanted.begin(), wanted.end(), stored.kind) != wanted.end())
            return stored;
    return {};
}

Judgement check_password(const Config& config, const std::string& user, const std::string& password,
                         const std::string& client, const ScramDigest& key) {
    const LoginName login = parse_login(config, user);
    if (login.is_account) return check_account(login.name, password, client);
    const DomainUsers users = users_of(config, login.domain);
    const VirtualUser* virtual_user = find_virtual_user(users.list, login.name);
    using Kind = StoredPassword::Kind;
    const StoredPassword model =
        model_for(users.list, login.name, key, {Kind::hash, Kind::scram, Kind::plain});
    const StoredPassword stored = virtual_user != nullptr ? password_of(*virtual_user) : StoredPassword{};
    if (!is_password(password, stored, model)) return {{AuthOutcome::no}};
    return {{AuthOutcome::yes, virtual_user->name + "@" + login.domain},
            users.mailbox_of(*virtual_user, login.domain)};
}

std::string fresh_nonce() {
    std::string octets;
    for (const KernelRandom random; octets.size() < nonce_octets;)
        octets += static_cast<char>(random() & 0xff);
    return base64(octets);
}

/// The user that a SCRAM client names, and the verifier that its proof is checked with, which may be a decoy.
struct Claim {
    ScramVerifier verifier;
    std::string user;     ///< empty: there is no such user, or the user has no verifier
    std::string mailbox;  ///< of the user
};

Claim look_up(const Config& config, const std::string& user, const ScramDigest& salt_key) {
    const LoginName login = parse_login(config, user);
    const DomainUsers users = login.is_account ? DomainUsers() : users_of(config, login.domain);
    if (const VirtualUser* found = find_virtual_user(users.list, login.name))
        if (auto verifier = parse_scram_verifier(found->hash))
            return {std::move(*verifier), found->name + "@" + login.domain,
                    users.mailbox_of(*found, login.domain)};
    const auto model =
        parse_scram_verifier(model_for(users.list, login.name, salt_key, {StoredPassword::Kind::scram}).text);
    return {decoy_verifier(salt_key, to_lower(login.name) + "@" + login.domain, model), "", ""};
}

/// nullopt: the client gave up.
std::optional<Judgement> converse_by_scram(const Claim& claim, const Fd& channel, const Deadline& patience) {
    ScramChallenge challenge;
    challenge.iterations = claim.verifier.iterations;
    if (!challenge.nonce.assign(fresh_nonce()) || !challenge.salt.assign(base64(claim.verifier.salt)))
        throw_errno(EINVAL, "SCRAM challenge");
    if (send_packet_now(channel.get(), std::as_bytes(std::span(&challenge, 1))) != Sent::yes)
        return std::nullopt;
    const auto response = receive_struct<ScramResponse>(channel.get(), patience);
    if (!response) return std::nullopt;

    const std::string auth_message = response->value.client_first_bare.str() + "," +
                                     scram_server_first(response->value.client_nonce.str(), challenge) + "," +
                                     response->value.client_final_without_proof.str();
    const auto signature = check_scram_proof(claim.verifier, auth_message, response->value.proof);
    if (!signature || claim.user.empty()) return Judgement{{AuthOutcome::no}};
    return Judgement{{AuthOutcome::yes, claim.user, *signature}, claim.mailbox};
}

std::optional<Judgement> judge(const Config& config, AuthRequest& request, const Fd& channel,
                               const ScramDigest& salts, const Deadline& patience) {
    const std::string user = request.user.str();
    if (request.method == AuthRequest::Method::scram) try {
            return converse_by_scram(look_up(config, user, salts), channel, patience);
        } catch (const Timeout&) {
            // The client is too slow, and hears "not now" when the channel closes.
            return std::nullopt;
        }
    const std::string client = printable(request.client.str());
    std::string password = request.password.str();
    ::explicit_bzero(request.password.bytes, sizeof request.password.bytes);
    Judgement judgement = check_password(config, user, password, client, salts);
    wipe(password);
    return judgement;
}

}  // namespace

AuthOutcome answer_question(const Config& config, AuthRequest& request, const Fd& channel,
                            const AuthenticatorKeys& keys, const Deadline& patience) {
    auto judgement = judge(config, request, channel, keys.salts, patience);
    if (!judgement) return AuthOutcome::temporary;
    AuthVerdict& verdict = judgement->verdict;
    if (verdict.outcome == AuthOutcome::yes && request.for_mailbox != 0)
        verdict.ticket = keys.tickets.ticket_for(judgement->mailbox);
    send_verdict(channel, verdict);
    return verdict.outcome;
}

bool asks_pam(const Config& config, const AuthRequest& request) {
    return request.method == AuthRequest::Method::password &&
           parse_login(config, request.user.str()).is_account;
}

void send_verdict(const Fd& channel, const AuthVerdict& verdict) {
    AuthAnswer answer;
    answer.outcome = answer.user.assign(verdict.user) ? verdict.outcome : AuthOutcome::temporary;
    answer.signature = verdict.signature;
    answer.ticket = verdict.ticket;
    try {
        (void)send_packet_now(channel.get(), std::as_bytes(std::span(&answer, 1)));
    } catch (const std::system_error&) {
        // The session process has ended, or does not wait any more.
    }
}

ScramDigest make_salt_key() {
    // machine-id(5) asks not to be shown to others as it is, and it is not. Without one, no two starts agree.
    const Fd file = disk::open_if_exists("/etc/machine-id", O_RDONLY | O_NONBLOCK);
    const std::string id = file ? disk::read_all(file.get(), longest_machine_id) : "";
    return scram_key(id.empty() ? fresh_nonce() : id, "postoffice: salts of nobody");
}

}  // namespace postoffice
