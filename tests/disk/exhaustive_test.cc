// Every disk operation of a set of scripts is a place to fail: the power is cut after it, with
// every kind of tail; it returns an I/O error; the disk is full from there on. After each the node
// must start again, hold what it was told was durable, and hold nothing that was not there.
//
// A failure prints one line with the script, the operation and the tail that reproduce it:
// QUORLITE_SCRIPT and QUORLITE_OPERATION, set to these, run that one alone. QUORLITE_SEEDS is how
// many random histories are run besides.
#include <cstdlib>
#include <functional>

#include "tests/disk/owner.h"
#include "tests/sim/seeded.h"
#include "tests/support/sanitizer.h"

namespace quorlite::test {
namespace {

struct Script {
    const char* name;
    std::function<void(Owner&)> run;
};

void random_script(Owner& owner, std::uint64_t seed) {
    sim::Seeded random(seed);
    std::uint64_t term = 1;
    for (int i = 0; i < 24; ++i) {
        switch (random.below(9)) {
            case 0:
            case 1:
                owner.append(1 + random.below(6), term, random.below(900));
                break;
            case 2:
                owner.append(1, term, random.below(random.below(5) == 0 ? 12000 : 3000));
                break;
            case 3:
                owner.truncate(owner.last() -
                               random.below(std::min<std::uint64_t>(owner.last(), 8)));
                owner.append(1 + random.below(3), ++term, random.below(600));
                break;
            case 4:
                owner.snapshot(owner.last() - random.below(owner.last() + 1));
                break;
            case 5:
                owner.settle();
                break;
            case 6:
                owner.pass(std::chrono::microseconds(random.below(400)));
                break;
            case 7:
                owner.vote(++term, 1 + random.below(3));
                break;
            default:
                if (random.below(3) == 0) {
                    owner.install(
                        owner.last() - std::min<std::uint64_t>(owner.last(), 2) + random.below(6),
                        ++term);
                } else if (random.below(3) == 0) {
                    owner.restart();
                } else {
                    owner.settle();
                    owner.acknowledge();
                }
        }
    }
    owner.settle();
}

void append_script(Owner& owner) {
    owner.append(1, 1, 10);
    owner.settle();
    for (int i = 0; i < 12; ++i) owner.append(2, 1, 300);
    owner.settle();
    owner.append(3, 1, 1800);
    owner.settle();
}

void append_big_script(Owner& owner) {
    owner.append(1, 1, 9000);
    owner.append(1, 1, 10);
    owner.settle();
    owner.append(1, 1, 4000);
    owner.append(2, 1, 20000);
    owner.settle();
}

void truncate_script(Owner& owner) {
    owner.append(10, 1, 200);
    owner.settle();
    owner.append(6, 1, 200);  // being written when it is truncated
    owner.truncate(9);
    owner.append(2, 2, 100);
    owner.pass(std::chrono::microseconds(100));
    owner.truncate(5);
    owner.append(1, 3, 100);
    owner.settle();
    owner.append(10, 3, 600);
    owner.settle();
    owner.truncate(5);
    owner.append(1, 4, 2500);
    owner.settle();
}

void trim_script(Owner& owner) {
    for (std::uint64_t i = 1; i <= 6; ++i) {
        owner.append(9, 1, 700);
        owner.settle();
        owner.snapshot(i * 9 - 4);
    }
    owner.append(1, 1, 9000);
    owner.settle();
    owner.append(9, 1, 500);
    owner.settle();
    owner.snapshot(60);
    owner.settle();
}

void reset_script(Owner& owner) {
    owner.append(12, 1, 700);
    owner.settle();
    owner.append(3, 1, 700);
    owner.install(8, 2);  // contradicts what follows index 8
    owner.append(2, 2, 100);
    owner.settle();
    owner.install(40, 3);
    owner.settle();
    owner.pass(std::chrono::milliseconds(1));
    owner.append(12, 3, 700);
    owner.settle();
}

void records_script(Owner& owner) {
    owner.vote(1, 1);
    owner.append(1, 1, 10);
    owner.settle();
    owner.vote(2, 0);
    owner.snapshot(1);
    owner.vote(2, 3);
    owner.acknowledge();
    owner.restart();
    owner.vote(5, 2);
}

std::vector<Script> scripts() {
    std::vector<Script> all{
        {"append", append_script}, {"append-big", append_big_script}, {"truncate", truncate_script},
        {"trim", trim_script},     {"reset", reset_script},           {"records", records_script},
    };
    static constexpr const char* kRandomNames[] = {"random-0", "random-1", "random-2", "random-3",
                                                   "random-4", "random-5", "random-6", "random-7",
                                                   "random-8", "random-9"};
    for (std::uint64_t seed = 0; seed < std::size(kRandomNames); ++seed) {
        all.push_back({kRandomNames[seed], [seed](Owner& owner) { random_script(owner, seed); }});
    }
    return all;
}

// The environment's choice of one script or operation, for reproducing.
bool chosen(const char* variable, const std::string& value) {
    const char* wanted = std::getenv(variable);
    return wanted == nullptr || value == wanted;
}

std::string line(const Script& script, std::uint64_t operation, const std::string& what) {
    return std::string("QUORLITE_SCRIPT=") + script.name +
           " QUORLITE_OPERATION=" + std::to_string(operation) + " disk_exhaustive_test: " + what;
}

class Exhaustive : public testing::TestWithParam<Script> {
protected:
    void SetUp() override {
        if (!chosen("QUORLITE_SCRIPT", GetParam().name)) GTEST_SKIP();
    }

    // How many operations the script takes if nothing fails.
    std::uint64_t operations() {
        sim::SimDisk disk(kSeed);
        Owner owner(disk);
        EXPECT_EQ(owner.start(), "");
        GetParam().run(owner);
        owner.end();
        return disk.operations();
    }

    void for_each_operation(const std::function<void(std::uint64_t)>& test) {
        const std::uint64_t count = operations();
        const bool some = kSanitized && std::getenv("QUORLITE_OPERATION") == nullptr;
        const std::uint64_t stride = some ? 25 : 1;
        for (std::uint64_t n = 1; n <= count && !HasFailure(); n += stride) {
            if (chosen("QUORLITE_OPERATION", std::to_string(n))) test(n);
        }
    }

    enum class End { kFinished, kCut, kDied, kRefused };

    // Runs the script until it ends or the disk, or fatal(), ends it.
    End run(Owner& owner) {
        try {
            EXPECT_EQ(owner.start(), "");
            if (!owner.refused.empty()) return End::kRefused;
            GetParam().run(owner);
        } catch (const sim::PowerCut&) {
            return End::kCut;
        } catch (const Died& died) {
            last_words = died.what;
            return End::kDied;
        }
        return End::kFinished;
    }

    // The node comes up again, goes on writing, and comes up with that, too.
    void check_restart(const Promises& promises, sim::SimDisk& disk) {
        ++restarts_;
        Owner owner(disk, promises);
        ASSERT_EQ(owner.start(), "");
        ASSERT_EQ(owner.refused, "");
        owner.append(2, 99, 300);
        owner.settle();
        owner.end();
        disk.crash({.kind = sim::Tail::Kind::kNone});
        ASSERT_EQ(owner.start(), "");
        ASSERT_EQ(owner.refused, "");
    }

    // What a start finds, it relies on: it must not be lost by a later crash.
    void check_kill(const Promises& promises, sim::SimDisk& disk) {
        ++restarts_;
        Owner owner(disk, promises);
        ASSERT_EQ(owner.start(), "");
        owner.end();
        disk.crash({.kind = sim::Tail::Kind::kNone});
        ASSERT_EQ(owner.start(), "");
    }

    // Crashes of copies of the disk as it is: of every kind, with all `subsets`.
    void check_tails(const Promises& promises, const sim::SimDisk& disk, std::uint64_t operation,
                     std::uint64_t subsets = 2) {
        const auto check = [&](const sim::Tail& tail, const std::string& name) {
            SCOPED_TRACE(line(GetParam(), operation, name));
            const auto copy = disk.clone();
            copy->crash(tail);
            check_restart(promises, *copy);
        };
        check({.kind = sim::Tail::Kind::kNone}, "nothing unsynced kept");
        check({.kind = sim::Tail::Kind::kAll}, "all kept");
        for (std::uint64_t blocks = 0; subsets == kSubsets && blocks < disk.last_write_blocks();
             ++blocks) {
            check({.kind = sim::Tail::Kind::kPrefix, .blocks = blocks},
                  "the last write kept up to block " + std::to_string(blocks));
        }
        for (std::uint64_t seed = 0; seed < subsets && disk.unsynced_changes() > 0; ++seed) {
            sim::Seeded random(seed);
            check({.kind = sim::Tail::Kind::kRandom, .random = &random},
                  "subset " + std::to_string(seed));
        }
        SCOPED_TRACE(line(GetParam(), operation, "killed"));
        for (const auto next : {&Exhaustive::check_kill, &Exhaustive::check_restart}) {
            const auto copy = disk.clone();
            copy->kill();
            (this->*next)(promises, *copy);
        }
    }

    static constexpr std::uint64_t kSubsets = 8;
    static constexpr std::uint64_t kSeed = 7;
    FatalGuard fatal_;
    std::string last_words;
    std::uint64_t restarts_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Scripts, Exhaustive, testing::ValuesIn(scripts()), [](const auto& script) {
    std::string name = script.param.name;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

TEST_P(Exhaustive, PowerIsCutAfterEachOperation) {
    for_each_operation([&](std::uint64_t n) {
        sim::SimDisk disk(kSeed);
        disk.cut_after(n);
        Owner owner(disk);
        const End end = run(owner);
        EXPECT_TRUE(end == End::kCut || n >= disk.operations());
        owner.end();
        check_tails(owner.promises, disk, n, kSubsets);
    });
    RecordProperty("restarts", static_cast<int>(restarts_));
}

// The error ends the node, or did not matter at all.
TEST_P(Exhaustive, EachOperationFails) {
    for_each_operation([&](std::uint64_t n) {
        SCOPED_TRACE(line(GetParam(), n, "an I/O error"));
        sim::SimDisk disk(kSeed);
        disk.fail(n, code::kIo);
        Owner owner(disk);
        const End end = run(owner);
        EXPECT_EQ(owner.space_reports, 0);
        if (end == End::kRefused) {
            EXPECT_NE(owner.refused.find("Input/output error"), std::string::npos);
        }
        owner.end();
        check_tails(owner.promises, disk, n);
    });
}

// The node goes on by itself when there is room again. (The records never need more: they have
// their room from the start.)
TEST_P(Exhaustive, TheDiskIsFullFromEachOperationOn) {
    for (const bool overwrites : {false, true}) {
        for_each_operation([&](std::uint64_t n) {
            SCOPED_TRACE(line(GetParam(), n, overwrites ? "full for overwrites" : "full"));
            sim::SimDisk disk(kSeed);
            disk.fill_after(n, overwrites);
            Owner owner(disk);
            const End end = run(owner);
            if (!overwrites) {
                EXPECT_TRUE(end == End::kFinished || end == End::kRefused) << last_words;
            }
            disk.fill_after(0, false);
            disk.set_full(false);
            if (end == End::kFinished) {
                owner.pass(std::chrono::seconds(1));
                EXPECT_TRUE(owner.space);
            }
            owner.end();
            check_tails(owner.promises, disk, n);
        });
    }
}

// A single write meets a full disk, or quota.
TEST_P(Exhaustive, TheDiskIsFullForEachOperation) {
    for_each_operation([&](std::uint64_t n) {
        SCOPED_TRACE(line(GetParam(), n, "full once"));
        sim::SimDisk disk(kSeed);
        disk.fail(n, code::kFull);
        Owner owner(disk);
        run(owner);
        owner.end();
        check_tails(owner.promises, disk, n);
    });
}

// Life after life on one disk, each ended at a random operation, by a power cut, a kill or an
// error.
TEST(ManyLives, EachFindsWhatTheOnesBeforeWerePromised) {
    const FatalGuard fatal;
    constexpr int kLives = 12;
    const char* wanted = std::getenv("QUORLITE_SEEDS");
    const std::uint64_t usual = kSanitized ? 40 : 1000;
    const std::uint64_t seeds = wanted == nullptr ? usual : std::stoull(wanted);
    for (std::uint64_t seed = 0; seed < seeds && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        sim::Seeded random(seed);
        sim::SimDisk disk(seed);
        Promises promises;
        for (int life = 0; life < kLives; ++life) {
            Owner owner(disk, promises);
            const std::uint64_t operation = disk.operations() + 1 + random.below(400);
            const std::uint64_t fate = random.below(4);
            if (fate == 0) disk.fail(operation, code::kIo);
            if (fate == 1) disk.fail(operation, code::kFull, random.below(2) == 0);
            if (fate > 1) disk.cut_after(operation);
            try {
                ASSERT_EQ(owner.start(), "");
                if (owner.refused.empty()) random_script(owner, random.next());
            } catch (const sim::PowerCut&) {
            } catch (const Died&) {
            }
            owner.end();
            promises = owner.promises;
            disk.fail(0, 0);
            disk.cut_after(0);
            // Without power the memory is gone; a process may also just be started again.
            if (fate > 1 || random.below(2) == 0) {
                disk.crash(random);
            } else {
                disk.kill();
            }
        }
        Owner owner(disk, promises);
        ASSERT_EQ(owner.start(), "");
        ASSERT_EQ(owner.refused, "");
    }
}

}  // namespace
}  // namespace quorlite::test
