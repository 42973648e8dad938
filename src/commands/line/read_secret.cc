#include "postoffice/commands/line/read_secret.h"

#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "postoffice/base/output.h"

namespace postoffice {
namespace {

/// The terminal does not show what is typed while this lives.
class Silence {
  public:
    Silence() : is_terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (!is_terminal_) return;
        termios silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        (void)::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    ~Silence() {
        if (!is_terminal_) return;
        (void)::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
        print_error("\n");
    }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;
    bool is_terminal() const { return is_terminal_; }

  private:
    termios before_{};
    bool is_terminal_;
};

}  // namespace

std::string read_secret(const char* prompt) {
    const Silence silence;
    if (silence.is_terminal()) print_error("{}", prompt);
    std::array<char, 1024> line{};
    if (std::fgets(line.data(), static_cast<int>(line.size()), stdin) == nullptr) return "";
    std::string text(line.data());
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    ::explicit_bzero(line.data(), line.size());
    return text;
}

}  // namespace postoffice
