#include "postoffice/mail/mailbox_path.h"

#include <sys/stat.h>

namespace postoffice {

// Nothing is written as root except root's own mailbox; whatever stands in root's home is not that.
bool has_mailbox_in_home(const Config& config, const Account& account) {
    return !config.home_mailbox.empty() && account.uid != 0;
}

std::string mailbox_path_of(const Config& config, const Account& account) {
    return has_mailbox_in_home(config, account) ? account.home + "/" + config.home_mailbox
                                                : config.mail_dir + "/" + account.name;
}

std::string virtual_mailbox_path(const Config& config, const std::string& user, const std::string& domain) {
    return config.vhost_spool + "/" + domain + "/" + user + (config.vhost_maildir ? "/" : "");
}

bool is_mailbox_full(const Config& config, const Account& account) {
    if (config.mailbox_size == 0) return false;
    struct stat status {};
    const std::string path = mailbox_path_of(config, account);
    return ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           static_cast<std::uint64_t>(status.st_size) >= config.mailbox_size;
}

}  // namespace postoffice
