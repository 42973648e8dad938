#include "postoffice/maildrop/maildrop.h"

#include "kinds.h"

namespace postoffice {

std::unique_ptr<Maildrop> open_maildrop(const std::string& path, const MaildropOptions& options) {
    if (!path.ends_with('/')) return open_mbox_maildrop(path, options);
    return open_maildir_maildrop(path.substr(0, path.find_last_not_of('/') + 1), options);
}

}  // namespace postoffice
