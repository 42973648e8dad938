#include "postoffice/config/srs_key.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "postoffice/base/text.h"
#include "postoffice/config/config_file.h"

namespace postoffice {
namespace {

constexpr std::size_t shortest_secret = 16;

}  // namespace

Result<std::vector<std::string>> read_srs_key(const std::string& path) {
    const TrustedFile file = read_trusted_file(path, ::geteuid());
    if (file.exit_code != 0) return Problem{fmt::format("{}: {}", path, file.problem)};
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0)
        return Problem{fmt::format("{}: can be read by all users", path)};
    std::vector<std::string> secrets;
    for (std::string_view line : split(file.text, '\n')) {
        line = trim(line);
        if (line.empty() || line.front() == '#') continue;
        if (line.size() < shortest_secret)
            return Problem{fmt::format("{}: a secret has at least {} characters", path, shortest_secret)};
        secrets.emplace_back(line);
    }
    if (secrets.empty()) return Problem{fmt::format("{}: there is no secret in it", path)};
    return secrets;
}

}  // namespace postoffice
