// The two kinds of maildrops.
#pragma once

#include <memory>
#include <string>

#include "postoffice/maildrop/maildrop.h"

namespace postoffice {

std::unique_ptr<Maildrop> open_mbox_maildrop(const std::string& path, const MaildropOptions& options);
/// `path`: without a slash at its end.
std::unique_ptr<Maildrop> open_maildir_maildrop(const std::string& path, const MaildropOptions& options);

}  // namespace postoffice
