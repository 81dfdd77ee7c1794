// Calls into every part of the library, without a node to talk to.
#include <quorlite/quorlite.h>

#include <cstdio>

int main() {
    quorlite::options hurried;
    hurried.timeout = std::chrono::milliseconds(50);
    quorlite::cluster cluster({"127.0.0.1:1"}, hurried);
    quorlite::pool pool(cluster, "db");
    const auto failed = pool.acquire()->try_execute("SELECT 1");
    if (failed || failed.error().kind != quorlite::error_kind::unavailable) return 1;
    try {
        cluster.connect("db");
    } catch (const quorlite::error& caught) {
        std::printf("%s\n", caught.what());
        return 0;
    }
    return 1;
}
