// TLS as the client: what a certificate is checked against, and what a process needs to begin TLS with many
// servers. RFC 8446, RFC 5246, RFC 6066 section 3 (SNI), RFC 9525 (names), RFC 6698 and 7671 (DANE).
//
// A build without TLS has the same interface; TlsClient::context_for() then throws.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct ssl_ctx_st;
struct ssl_session_st;

namespace postoffice {

/// Why a server is not the one that was expected, or did not begin TLS.
struct TlsFailure {
    std::string_view type;  ///< result type of RFC 8460 section 4.3, "certificate-expired"; a literal
    std::string text;       ///< for people
    bool operator==(const TlsFailure&) const = default;
};

/// A TLSA record: RFC 6698 section 2.1.
struct TlsaRecord {
    std::uint8_t usage = 0, selector = 0, matching_type = 0;
    std::string data;  ///< octets
    bool operator==(const TlsaRecord&) const = default;
};

/// The server that a client expects at the other end.
struct TlsPeer {
    enum class Check {
        none,         ///< any certificate will do, also one that has expired
        names,        ///< issued by a known authority for one of `names`
        fingerprint,  ///< one of `fingerprints`, whatever its names and dates
        dane,         ///< as the TLSA records say
    };

    /// What the server is asked for by SNI: lower case, A-labels. An address is not sent.
    std::string server_name;
    Check check = Check::none;
    /// Host names, lower case, A-labels; ".example.org" is each name below example.org. For usage 2 of DANE,
    /// too.
    std::vector<std::string> names{};
    /// SHA-256 of the certificate, or of its public key (SubjectPublicKeyInfo): lower-case hexadecimal.
    std::vector<std::string> fingerprints{};
    /// Each of them as TlsClient::can_use() has it. `server_name` is then their base domain.
    std::vector<TlsaRecord> tlsa{};
    bool operator==(const TlsPeer&) const = default;
};

/// What the library does once, at its first use, is done for this process and those that it forks: 3 ms of
/// processor time.
void prepare_for_tls();

/// Settings, authorities, and the sessions that can be resumed, of one process. Made at the first use.
class TlsClient {
  public:
    /// `authorities`: PEM file with authorities to be trusted beside those of the system; "" for none.
    explicit TlsClient(std::string authorities = "");
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;
    ~TlsClient();

    /// Fit for such a check. The authorities are read, which takes 35 ms of processor time, at the first
    /// check of names; no other check asks them. Throws FormatError "FILE: what is wrong".
    ssl_ctx_st* context_for(TlsPeer::Check check);
    /// True if a certificate can be compared with the record: RFC 7672 section 3.1.3 leaves the usages 2 and
    /// 3; data of the wrong length, and what is no certificate or key, does not count. Throws as
    /// context_for().
    bool can_use(const TlsaRecord& record);
    /// The session to offer this peer, or null. A session belongs to the check that it has passed.
    ssl_session_st* session_for(const TlsPeer& peer) const;
    /// Takes the session over, in the place of the one before.
    void keep_session(const TlsPeer& peer, ssl_session_st* session);

    /// Of so many peers; then those before are forgotten.
    static constexpr std::size_t most_sessions = 64;

  private:
    struct Free {
        void operator()(ssl_ctx_st* context) const;
        void operator()(ssl_session_st* session) const;
    };
    void make_context();
    void read_authorities();

    std::string authorities_;
    std::unique_ptr<ssl_ctx_st, Free> context_;
    bool has_authorities_ = false;
    std::map<std::string, std::unique_ptr<ssl_session_st, Free>> sessions_;
};

}  // namespace postoffice
