#include "postoffice/policy/pam.h"

#include <dlfcn.h>
#include <security/pam_appl.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "postoffice/base/log.h"

namespace postoffice {
namespace {

/// Loaded by the few processes that need it: linked in, libpam and what it brings along would cost every
/// sendmail a millisecond.
class PamLibrary {
  public:
    PamLibrary() : library_(::dlopen("libpam.so.0", RTLD_NOW | RTLD_GLOBAL)) {
        if (!library_) return;
        find(start, "pam_start");
        find(set_item, "pam_set_item");
        find(authenticate, "pam_authenticate");
        find(account, "pam_acct_mgmt");
        find(end, "pam_end");
    }
    bool is_complete() const { return start && set_item && authenticate && account && end; }

    decltype(&::pam_start) start = nullptr;
    decltype(&::pam_set_item) set_item = nullptr;
    decltype(&::pam_authenticate) authenticate = nullptr;
    decltype(&::pam_acct_mgmt) account = nullptr;
    decltype(&::pam_end) end = nullptr;

  private:
    template <class Function>
    void find(Function& function, const char* name) {
        function = reinterpret_cast<Function>(::dlsym(library_.get(), name));
    }
    struct Close {
        void operator()(void* library) const { ::dlclose(library); }
    };
    std::unique_ptr<void, Close> library_;
};

/// Modules ask in whatever words they like: what must not be shown is the password, everything else is not
/// for us.
int converse(int count, const pam_message** messages, pam_response** responses, void* password) {
    auto* answers =
        static_cast<pam_response*>(std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
    if (answers == nullptr) return PAM_BUF_ERR;
    for (int i = 0; i < count; ++i)
        if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
            answers[i].resp = ::strdup(static_cast<const std::string*>(password)->c_str());
    *responses = answers;  // the module frees them
    return PAM_SUCCESS;
}

AuthOutcome outcome_of(int status) {
    switch (status) {
        case PAM_SUCCESS:
            return AuthOutcome::yes;
        case PAM_AUTH_ERR:
        case PAM_USER_UNKNOWN:
        case PAM_MAXTRIES:
        case PAM_PERM_DENIED:
        case PAM_ACCT_EXPIRED:
        case PAM_CRED_INSUFFICIENT:
        case PAM_NEW_AUTHTOK_REQD:
            return AuthOutcome::no;
        default:
            return AuthOutcome::temporary;
    }
}

}  // namespace

const bool has_pam = true;

AuthOutcome ask_pam(const std::string& user, const std::string& password, const std::string& client) {
    const PamLibrary pam;
    if (!pam.is_complete()) {
        log_event("", "authenticator-failed", {{"reason", "libpam cannot be loaded"}});
        return AuthOutcome::temporary;
    }
    const pam_conv conversation{converse, const_cast<std::string*>(&password)};
    pam_handle_t* handle = nullptr;
    if (pam.start("smtp", user.c_str(), &conversation, &handle) != PAM_SUCCESS) return AuthOutcome::temporary;
    if (!client.empty()) (void)pam.set_item(handle, PAM_RHOST, client.c_str());
    int status = pam.authenticate(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    if (status == PAM_SUCCESS) status = pam.account(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    (void)pam.end(handle, status);
    return outcome_of(status);
}

}  // namespace postoffice
