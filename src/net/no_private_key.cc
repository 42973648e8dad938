// In place of private_key.cc in a build without TLS.
#include "postoffice/base/error.h"
#include "postoffice/net/private_key.h"

namespace postoffice {

void PrivateKey::Free::operator()(evp_pkey_st*) const {}

PrivateKey::PrivateKey(int) {
    throw FormatError("this postoffice was built without TLS");
}

SignatureAnswer PrivateKey::sign(const SignatureQuestion&) const {
    return {};
}

void set_key_channel(Fd, Fd) {}

bool use_key_elsewhere(ssl_ctx_st*) {
    return false;
}

}  // namespace postoffice
