// Three nodes and a client in one process. Arguments: a directory, and three addresses.
#include <quorlite/node.h>
#include <quorlite/quorlite.h>

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

int main(int count, char** arguments) {
    if (count != 5) {
        std::cerr << "usage: embedded DIRECTORY HOST:PORT HOST:PORT HOST:PORT\n";
        return 64;
    }
    const std::vector<std::string> addresses(arguments + 2, arguments + count);
    std::vector<quorlite::Node> nodes;
    for (const std::string& address : addresses) {
        quorlite::NodeOptions options;
        options.directory = std::string(arguments[1]) + "/" + std::to_string(nodes.size() + 1);
        options.address = address;
        options.log_level = quorlite::NodeLogLevel::kOff;
        options.bootstrap = nodes.empty();
        if (!nodes.empty()) options.join = {addresses.front()};
        auto started = quorlite::Node::start(options);
        if (!started) {
            std::cerr << started.error().message << '\n';
            return 1;
        }
        nodes.push_back(std::move(started.node()));
        if (const auto failed = nodes.back().wait_ready(std::chrono::seconds(20))) {
            std::cerr << failed->message << '\n';
            return 1;
        }
    }
    quorlite::cluster cluster(addresses);
    quorlite::connection db = cluster.connect("example");
    db.execute("CREATE TABLE t(a)");
    db.execute("INSERT INTO t VALUES(?)", "kept by three");
    std::cout << db.query_value<std::string>("SELECT a FROM t") << '\n';
}
