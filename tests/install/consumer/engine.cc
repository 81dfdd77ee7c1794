// Starts a node that cannot start.
#include <quorlite/node.h>

#include <cstdio>

int main() {
    const auto started = quorlite::Node::start({});
    if (started) return 1;
    std::printf("%s\n", started.error().message.c_str());
    return started.error().kind == quorlite::NodeError::Kind::kOptions ? 0 : 1;
}
