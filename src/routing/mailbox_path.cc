#include "postoffice/routing/mailbox_path.h"

namespace postoffice {

// Nothing is written as root except root's own mailbox; whatever stands in root's home is not that.
bool has_mailbox_in_home(const Config& config, const Account& account) {
    return !config.local.home_mailbox.empty() && account.uid != 0;
}

std::string mailbox_path_of(const Config& config, const Account& account) {
    return has_mailbox_in_home(config, account) ? account.home + "/" + config.local.home_mailbox
                                                : config.local.mail_dir + "/" + account.name;
}

std::string path_from_home(const std::string& written, const std::string& home) {
    if (written.starts_with('/')) return written;
    const bool has_mark = written.starts_with("~/") || written.starts_with("./");
    return home + "/" + written.substr(has_mark ? 2 : 0);
}

std::string virtual_mailbox_path(const Config& config, const std::string& user, const std::string& domain) {
    return config.vhost.spool + "/" + domain + "/" + user + (config.vhost.maildir ? "/" : "");
}

std::string_view unfit_as_mbox(const struct stat& status, std::optional<uid_t> owner) {
    if (S_ISLNK(status.st_mode)) return "mailbox is a symbolic link";
    if (!S_ISREG(status.st_mode)) return "mailbox is not a regular file";
    if (status.st_uid != owner.value_or(status.st_uid)) return "mailbox belongs to another user";
    return status.st_nlink > 1 ? "mailbox has more than one link" : "";
}

std::string_view unfit_as_maildir(const struct stat& status, std::optional<uid_t> owner) {
    if (S_ISLNK(status.st_mode)) return "maildir is a symbolic link";
    if (!S_ISDIR(status.st_mode)) return "maildir is not a directory";
    return status.st_uid != owner.value_or(status.st_uid) ? "maildir belongs to another user" : "";
}

std::string_view unfit_as_domain_folder(const struct stat& status, uid_t owner) {
    if (S_ISLNK(status.st_mode)) return "mail folder of the domain is a symbolic link";
    if (!S_ISDIR(status.st_mode)) return "mail folder of the domain is not a directory";
    if (status.st_uid != owner) return "mail folder of the domain belongs to another user";
    return (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 ? "mail folder of the domain can be written by others"
                                                       : "";
}

}  // namespace postoffice
