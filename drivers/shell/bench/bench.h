// `quorlite bench`: the load generator, for people and for the benchmark beside dqlite and etcd.
//
// It drives every server that speaks the dqlite protocol, by the protocol itself: what a client
// library costs is not part of what is measured. The data is in the database "benchmark".
#pragma once

namespace quorlite::benchmark {

// The command line from the word "bench" on. Returns what the process is to end with: 0; 1 if
// something failed, with one line on standard error; 64 if the command line makes no sense.
int bench_main(int count, const char* const* words);

}  // namespace quorlite::benchmark
