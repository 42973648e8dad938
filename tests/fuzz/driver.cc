// Runs a fuzz target without libFuzzer, so that every machine can: [-n ITERATIONS] [-s SEED] [FILE or
// FOLDER...]. Gives the target each file as it is, then ITERATIONS mutations of them. The same seed and files
// give the same inputs everywhere. Before each input is tried it is known by its number, which a crash
// reports.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/disk.h"
#include "postoffice/base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t largest_input = 1 << 20;
constexpr std::size_t largest_mutant = 1 << 16;

// SplitMix64: small, and the same on every platform.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(next() % limit); }

  private:
    std::uint64_t state_;
};

using namespace std::string_view_literals;

// Octets that parsers of mail and of wire formats trip over.
constexpr std::array interesting = {"\0"sv,
                                    "\xff"sv,
                                    "\x7f"sv,
                                    "\x80"sv,
                                    "\r\n"sv,
                                    "\n"sv,
                                    "\r"sv,
                                    ".\r\n"sv,
                                    "\r\n.\r\n"sv,
                                    " "sv,
                                    "\t"sv,
                                    "\""sv,
                                    "\\"sv,
                                    "<"sv,
                                    ">"sv,
                                    "@"sv,
                                    ":"sv,
                                    ","sv,
                                    ";"sv,
                                    "("sv,
                                    ")"sv,
                                    "["sv,
                                    "]"sv,
                                    "|"sv,
                                    "/"sv,
                                    "#"sv,
                                    "="sv,
                                    "%"sv,
                                    "!"sv,
                                    "+"sv,
                                    "../"sv,
                                    "%s%n"sv,
                                    "\0\0\0\0"sv,
                                    "-1"sv,
                                    "0"sv,
                                    "65536"sv,
                                    "4294967296"sv,
                                    "18446744073709551616"sv,
                                    "\xff\xff\xff\xff"sv,
                                    "\xc0\x0c"sv,
                                    "\xc3\xa4"sv};

void mutate_once(std::string& input, const std::vector<std::string>& corpus, Random& random) {
    const std::size_t at = random.below(input.size() + 1);
    const std::size_t length = random.below(std::min<std::size_t>(input.size() - at, 64) + 1);
    switch (random.below(9)) {
        case 0:  // flip a bit
            if (at < input.size()) input[at] = static_cast<char>(input[at] ^ 1 << random.below(8));
            break;
        case 1:  // another octet
            if (at < input.size()) input[at] = static_cast<char>(random.below(256));
            break;
        case 2:  // truncate
            input.resize(at);
            break;
        case 3:  // leave out
            input.erase(at, length);
            break;
        case 4:  // say twice
            input.insert(at, std::string(input, at, length));
            break;
        case 5:  // say often
            for (std::size_t i = random.below(200); i > 0; --i)
                input.insert(at, std::string(input, at, length));
            break;
        case 6:
            input.insert(at, interesting[random.below(interesting.size())]);
            break;
        case 7: {  // overwrite
            const auto piece = interesting[random.below(interesting.size())];
            input.replace(at, std::min(piece.size(), input.size() - at), piece);
            break;
        }
        default: {  // go on with another file
            const auto& other = corpus[random.below(corpus.size())];
            input.resize(at);
            input += other.substr(random.below(other.size() + 1));
        }
    }
    if (input.size() > largest_mutant) input.resize(largest_mutant);
}

std::vector<std::string> read_corpus(const std::vector<std::string>& paths) {
    namespace fs = std::filesystem;
    std::vector<std::string> files;
    for (const auto& path : paths) {
        if (!fs::is_directory(path)) {
            files.push_back(path);
            continue;
        }
        for (const auto& entry : fs::recursive_directory_iterator(path))
            if (entry.is_regular_file()) files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    std::vector<std::string> corpus = {"", "x"};
    for (const auto& file : files)
        corpus.push_back(
            postoffice::disk::read_all(postoffice::disk::open(file, O_RDONLY).get(), largest_input));
    return corpus;
}

std::atomic<std::uint64_t> current_input = 0;

// Says which input it was, then lets the signal do what it does.
void report_crash(int signal) {
    std::array<char, 24> digits{};
    std::size_t at = digits.size();
    digits[--at] = '\n';
    std::uint64_t number = current_input;
    do digits[--at] = static_cast<char>('0' + number % 10);
    while ((number /= 10) > 0);
    constexpr std::string_view text = "crash with input ";
    (void)!::write(2, text.data(), text.size());
    (void)!::write(2, digits.data() + at, digits.size() - at);
    ::signal(signal, SIG_DFL);
    ::raise(signal);
}

// In memory of exactly its size, so that a sanitizer sees a read past the end.
void try_input(const std::string& input) {
    const std::vector<std::uint8_t> octets(input.begin(), input.end());
    (void)LLVMFuzzerTestOneInput(octets.data(), octets.size());
    ++current_input;
}

int usage() {
    fmt::print(stderr, "usage: [-n ITERATIONS] [-s SEED] [FILE or FOLDER...]\n");
    return 64;
}

int run(std::uint64_t iterations, std::uint64_t seed, const std::vector<std::string>& paths) {
    const auto corpus = read_corpus(paths);
    for (const auto& input : corpus) try_input(input);
    Random random(seed);
    for (std::uint64_t i = 0; i < iterations; ++i) {
        std::string input = corpus[random.below(corpus.size())];
        for (std::size_t times = 1 + random.below(8); times > 0; --times) mutate_once(input, corpus, random);
        try_input(input);
    }
    fmt::print("{} inputs, no crash\n", corpus.size() + iterations);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t iterations = 10'000;
    std::uint64_t seed = 1;
    for (int option = 0; (option = ::getopt(argc, argv, "n:s:")) != -1;) {
        const auto value = optarg != nullptr ? postoffice::parse_number(optarg) : std::nullopt;
        if (option == '?' || !value) return usage();
        (option == 'n' ? iterations : seed) = *value;
    }
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::signal(signal, report_crash);
    try {
        return run(iterations, seed, {argv + optind, argv + argc});
    } catch (const std::exception& e) {  // an exception that leaves the target is a crash as well
        fmt::print(stderr, "{} with input {}\n", e.what(), current_input.load());
        return 70;
    }
}
