// Measures the C++ driver; the counterpart of go/main.go.
// Usage: driver_benchmark setup|reads|pipelined|bulk COUNT ADDRESS... ; prints how many per second.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "quorlite/quorlite.h"

namespace {

using quorlite::connection;

constexpr int kRowsRead = 10'000;
constexpr const char* kRead = "SELECT name FROM read WHERE id = ?";

void setup(connection& db) {
    db.execute_script(
        "CREATE TABLE read(id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE bulk(id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE bulk_go(id INTEGER PRIMARY KEY, name TEXT)");
    db.run_transaction([](quorlite::transaction& tx) {
        auto rows = tx.bulk_insert("read", {"id", "name"});
        for (int i = 0; i < kRowsRead; ++i) rows.add(i, "a name of a row");
        rows.finish();
    });
}

void reads(connection& db, int count) {
    quorlite::statement read = db.prepare(kRead);
    for (int i = 0; i < count; ++i) read.query_value<std::string>(i % kRowsRead);
}

void pipelined(connection& db, int count) {
    constexpr int kBatch = 500;
    for (int i = 0; i < count; i += kBatch) {
        quorlite::batch batch;
        for (int j = i; j < i + kBatch; ++j) batch.add(kRead, j % kRowsRead);
        for (auto& each : db.run(batch)) {
            quorlite::rows& found = each.value();
            found.next();
            found.get<std::string>(0);
        }
    }
}

void bulk(connection& db, int count) {
    db.execute("DELETE FROM bulk");
    db.run_transaction([count](quorlite::transaction& tx) {
        auto rows = tx.bulk_insert("bulk", {"id", "name"});
        for (int i = 0; i < count; ++i) rows.add(i, "a name of a row");
        rows.finish();
    });
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 64;
    const std::string what = argv[1];
    const int count = std::atoi(argv[2]);
    quorlite::options patient;
    patient.timeout = std::chrono::minutes(2);
    quorlite::cluster cluster({argv + 3, argv + argc}, patient);
    connection db = cluster.connect("benchmark");
    const auto begin = std::chrono::steady_clock::now();
    if (what == "setup") setup(db);
    if (what == "reads") reads(db, count);
    if (what == "pipelined") pipelined(db, count);
    if (what == "bulk") bulk(db, count);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    std::printf("%f\n", count / taken.count());
}
