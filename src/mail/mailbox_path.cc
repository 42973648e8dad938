#include "postoffice/mail/mailbox_path.h"

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

}  // namespace postoffice
