// Reads the table of options, and creates and starts nodes that cannot be.
#include <quorlite/node.h>
#include <quorlite/node_options.h>

#include <cstdio>

int main() {
    const quorlite::NodeOptions defaults;
    if (quorlite::to_text(quorlite::node_options().front(), defaults) != "") return 1;
    if (!quorlite::check(defaults)) return 1;
    if (quorlite::Node::create("")) return 1;
    const auto started = quorlite::Node::start({});
    if (started) return 1;
    std::printf("%s\n", started.error().message.c_str());
    return started.error().kind == quorlite::NodeError::Kind::kOptions ? 0 : 1;
}
