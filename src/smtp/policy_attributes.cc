#include "policy_checks.h"

namespace postoffice {
namespace {

/// As the protocol has an address: its local part without quotes.
std::string plain(const Address& address) {
    return address.is_null() ? "" : address.local_part() + "@" + address.domain();
}

/// The name that the address of the client has in DNS, confirmed or not.
std::string reverse_name(Dialogue& dialogue) {
    const SessionState& state = dialogue.state;
    if (state.name_status != NameStatus::contradicted && state.name_status != NameStatus::temporary)
        return state.client_name.str();
    if (!dialogue.reverse_name) {
        const auto address = IpAddress::parse(state.client_address.str());
        const auto found = address ? dialogue.resolver().names(*address) : NameLookup();
        dialogue.reverse_name = found.names.empty() ? "unknown" : found.names.front();
    }
    return *dialogue.reverse_name;
}

/// Empty if the socket leads to a front end.
std::string client_port(const Dialogue& dialogue) {
    const auto peer = Endpoint::peer_of(dialogue.connection.input_fd());
    return peer && peer->address.to_string() == dialogue.state.client_address.str()
               ? std::to_string(peer->port)
               : "";
}

void add_tls(PolicyAttributes& attributes, const Dialogue& dialogue) {
    const TlsStream* tls = dialogue.connection.tls();
    attributes.emplace_back("encryption_protocol", tls != nullptr ? tls->version() : "");
    attributes.emplace_back("encryption_cipher", tls != nullptr ? tls->cipher() : "");
    attributes.emplace_back("encryption_keysize", std::to_string(tls != nullptr ? tls->cipher_bits() : 0));
}

void add_client(PolicyAttributes& attributes, Dialogue& dialogue) {
    const SessionState& state = dialogue.state;
    const auto server = Endpoint::local_of(dialogue.connection.input_fd());
    attributes.insert(attributes.end(), {{"client_address", state.client_address.str()},
                                         {"client_name", state.client_name.str()},
                                         {"client_port", client_port(dialogue)},
                                         {"reverse_client_name", reverse_name(dialogue)},
                                         {"server_address", server ? server->address.to_string() : ""},
                                         {"server_port", server ? std::to_string(server->port) : ""},
                                         {"helo_name", state.helo.str()}});
}

}  // namespace

PolicyAttributes policy_attributes(Dialogue& dialogue, PolicyStage stage, const PolicySubject& subject,
                                   const PolicyService& service) {
    const Transaction& transaction = dialogue.transaction;
    const bool is_rcpt = stage == PolicyStage::rcpt;
    const Address& recipient = is_rcpt ? subject.recipient : transaction.single_recipient();
    const std::uint64_t size = subject.size != 0 ? subject.size : transaction.announced().size;
    const LoadLevel* load = dialogue.services.load_level;
    PolicyAttributes attributes = {{"request", "smtpd_access_policy"},
                                   {"protocol_state", is_rcpt                      ? "RCPT"
                                                      : stage == PolicyStage::data ? "DATA"
                                                                                   : "END-OF-MESSAGE"},
                                   {"protocol_name", dialogue.state.extended == 0 ? "SMTP" : "ESMTP"}};
    add_client(attributes, dialogue);
    attributes.insert(attributes.end(),
                      {{"sender", plain(transaction.sender())},
                       {"recipient", plain(recipient)},
                       {"recipient_count", is_rcpt ? "0" : std::to_string(transaction.recipient_count())},
                       {"queue_id", transaction.id()},
                       {"instance", transaction.id()},
                       {"size", std::to_string(size)},
                       {"etrn_domain", ""},
                       {"stress", load != nullptr && load->is_high() ? "yes" : ""},
                       {"sasl_method", dialogue.is_authenticated() ? dialogue.login_mechanism : ""},
                       {"sasl_username", dialogue.state.user.str()},
                       {"sasl_sender", transaction.announced().submitter},
                       {"ccert_subject", ""},
                       {"ccert_issuer", ""},
                       {"ccert_fingerprint", ""},
                       {"ccert_pubkey_fingerprint", ""}});
    add_tls(attributes, dialogue);
    attributes.emplace_back("policy_context", service.context);
    return attributes;
}

}  // namespace postoffice
