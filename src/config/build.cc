#include "postoffice/config/build.h"

namespace postoffice {

std::string_view version() {
    return POSTOFFICE_VERSION;
}

std::string_view features() {
    return POSTOFFICE_FEATURES;
}

std::string default_config_folder() {
    return POSTOFFICE_CONFDIR;
}

std::string default_config_file() {
    return POSTOFFICE_CONFDIR "/postoffice.cf";
}

std::string_view default_queue_dir() {
    return POSTOFFICE_QUEUEDIR;
}

}  // namespace postoffice
