// The log of a test, in a file of its own while this object lives.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "postoffice/base/log.h"

namespace postoffice::test {

class LogLines {
  public:
    explicit LogLines(const std::string& folder, LogFormat format = LogFormat::text)
        : path_(folder + "/log") {
        open_log(path_, "test", format);
    }
    ~LogLines() {
        open_log("syslog", "postoffice");
        std::filesystem::remove(path_);
    }
    LogLines(const LogLines&) = delete;
    LogLines& operator=(const LogLines&) = delete;

    /// All lines so far that contain `text`.
    std::vector<std::string> with(const std::string& text) const {
        std::vector<std::string> found;
        std::ifstream file(path_);
        for (std::string line; std::getline(file, line);)
            if (line.find(text) != std::string::npos) found.push_back(line);
        return found;
    }

  private:
    std::string path_;
};

}  // namespace postoffice::test
