#include "postoffice/maildrop/maildrop.h"

#include <sys/stat.h>

#include <cerrno>

#include "kinds.h"

namespace postoffice {
namespace {

/// Of a user that has not got any mail: not even the folder of the mailbox is there, as in a new virtual
/// domain.
class EmptyMaildrop final : public Maildrop {
  public:
    const std::vector<MaildropEntry>& entries() const override { return none_; }
    void read(std::size_t, const std::function<bool(std::string_view)>&) override {
        throw MaildropChanged("there are no messages");
    }
    std::size_t update(const MaildropChanges&) override { return 0; }

  private:
    const std::vector<MaildropEntry> none_;
};

bool has_folder(const std::string& path) {
    struct stat status {};
    const std::string folder = path.substr(0, path.find_last_of('/', path.find_last_not_of('/')));
    return folder.empty() || ::lstat(folder.c_str(), &status) == 0 || errno != ENOENT;
}

}  // namespace

std::unique_ptr<Maildrop> open_maildrop(const std::string& path, const MaildropOptions& options) {
    if (!has_folder(path)) return std::make_unique<EmptyMaildrop>();
    if (!path.ends_with('/')) return open_mbox_maildrop(path, options);
    return open_maildir_maildrop(path.substr(0, path.find_last_not_of('/') + 1), options);
}

}  // namespace postoffice
