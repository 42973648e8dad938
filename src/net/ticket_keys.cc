#include "ticket_keys.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "postoffice/base/error.h"

namespace postoffice {
namespace {

constexpr int tries = 1000;

std::size_t mapped_octets(std::size_t octets) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (octets + page - 1) / page * page;
}

TicketKey new_key() {
    TicketKey key;
    if (::getentropy(&key, sizeof key) != 0) throw_errno("random numbers");
    return key;
}

/// What SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants of its function.
enum Found : int { failed = -1, unknown = 0, known = 1, known_and_old = 2 };

int prepare(const TicketKey& key, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
            int encrypts) {
    char digest[] = "SHA256";
    auto mac_key = key.mac;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key.data(), mac_key.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), vector, encrypts) == 1 &&
           EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int find_key(SSL* stream, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher,
             EVP_MAC_CTX* mac, int encrypts) {
    const auto* keys = static_cast<const TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(stream)));
    const auto known_keys = keys->read();
    if (!known_keys) return unknown;
    const TicketKey& newest = known_keys->newest;
    if (encrypts == 1) {
        std::memcpy(name, newest.name.data(), newest.name.size());
        if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return failed;
        return prepare(newest, vector, cipher, mac, 1) ? known : failed;
    }
    for (const TicketKey* key : {&newest, &known_keys->previous})
        if (std::memcmp(name, key->name.data(), key->name.size()) == 0) {
            if (!prepare(*key, vector, cipher, mac, 0)) return failed;
            return key == &newest ? known : known_and_old;
        }
    return unknown;
}

}  // namespace

TicketKeys::TicketKeys() : file_(::memfd_create("ticket keys", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    if (file_ < 0) throw_errno("memfd_create");
    if (::ftruncate(file_, static_cast<off_t>(mapped_octets(sizeof(Shared)))) != 0) throw_errno("ftruncate");
    map(PROT_READ | PROT_WRITE);
    // What is mapped later can be read only, also by a process that has this descriptor.
    if (::fcntl(file_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0)
        throw_errno("seal");
    rotate();
    rotate();  // no ticket has the previous key
}

TicketKeys::~TicketKeys() {
    ::munmap(shared_, mapped_octets(sizeof(Shared)));
    ::close(file_);
}

void TicketKeys::map(int protection) {
    void* const place = ::mmap(shared_, mapped_octets(sizeof(Shared)), protection,
                               MAP_SHARED | (shared_ != nullptr ? MAP_FIXED : 0), file_, 0);
    if (place == MAP_FAILED) throw_errno("shared memory");
    shared_ = static_cast<Shared*>(place);
}

void TicketKeys::become_reader() {
    map(PROT_READ);
}

void TicketKeys::rotate() {
    Known next{new_key(), {}};
    std::array<std::uint64_t, words> text;
    if (const auto before = read()) next.previous = before->newest;
    std::memcpy(text.data(), &next, sizeof next);
    shared_->changes.fetch_add(1);
    for (std::size_t i = 0; i < words; ++i) shared_->text[i].store(text[i]);
    shared_->changes.fetch_add(1);
    newest_since_ = std::chrono::steady_clock::now();
    OPENSSL_cleanse(&next, sizeof next);
    OPENSSL_cleanse(text.data(), sizeof text);
}

void TicketKeys::rotate_when_due() {
    if (std::chrono::steady_clock::now() - newest_since_ >= ticket_key_life) rotate();
}

std::optional<TicketKeys::Known> TicketKeys::read() const {
    for (int i = 0; i < tries; ++i) {
        const std::uint32_t before = shared_->changes.load();
        std::array<std::uint64_t, words> text;
        for (std::size_t word = 0; word < words; ++word) text[word] = shared_->text[word].load();
        if (before % 2 != 0 || shared_->changes.load() != before) continue;
        Known known_keys;
        std::memcpy(&known_keys, text.data(), sizeof known_keys);
        return known_keys;
    }
    return std::nullopt;
}

void use_ticket_keys(ssl_ctx_st* context, TicketKeys& keys) {
    SSL_CTX_set_app_data(context, &keys);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, find_key);
    SSL_CTX_set_timeout(context, std::chrono::seconds(ticket_key_life).count());
}

}  // namespace postoffice
