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

std::string_view default_vhost_dir() {
    return POSTOFFICE_VHOSTDIR;
}

std::string_view default_vhost_spool() {
    return POSTOFFICE_VHOSTSPOOL;
}

std::string_view default_vhost_user() {
    return POSTOFFICE_VHOSTUSER;
}

}  // namespace postoffice
