#include "postoffice/base/worker.h"

#include "postoffice/base/process.h"

namespace postoffice {

Worker start_worker(const std::string& title, const std::vector<int>& shared,
                    const std::function<int(Fd channel)>& body) {
    SocketPair channel = packet_socket_pair();
    Worker worker;
    worker.pid = spawn_process(title, [&] {
        const int theirs = channel.theirs.release();
        std::vector<int> kept(shared);
        kept.push_back(theirs);
        close_descriptors_except(kept);
        return body(Fd(theirs));
    });
    worker.channel = std::move(channel.ours);
    return worker;
}

}  // namespace postoffice
