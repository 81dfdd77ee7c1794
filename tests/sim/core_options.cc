#include "tests/sim/core_options.h"

#include <algorithm>
#include <sstream>

namespace quorlite::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

template <class T, std::size_t N>
T draw(Seeded& random, const T (&choices)[N]) {
    return choices[random.below(N)];
}

std::string ms(Duration duration) {
    std::ostringstream text;
    text << std::chrono::duration<double, std::milli>(duration).count() << "ms";
    return text.str();
}

}  // namespace

CoreOptions::CoreOptions(Seeded& random) {
    voters = draw<std::size_t>(random, {1, 2, 3, 3, 3, 3, 4, 5, 5});
    standbys = random.below(std::min<std::size_t>(3, 8 - voters));
    spares = random.below(std::min<std::size_t>(2, 8 - voters - standbys));
    newcomers = random.below(std::min<std::size_t>(3, 8 - voters - standbys - spares));
    election_timeout = draw<Duration>(random, {milliseconds(150), milliseconds(300), seconds(1)});
    heartbeat = election_timeout / draw<int>(random, {4, 5, 10, 10});
    append_bytes_max = draw<std::size_t>(random, {1, 300, 2000, 1 << 20});
    window_bytes_max = draw<std::size_t>(random, {1, 1000, 10'000, 8 << 20});
    // Without order on the links every gap resends a window: not more than a hundred messages.
    window_bytes_max =
        std::min(window_bytes_max, 100 * std::max<std::size_t>(append_bytes_max, 64));
    cache_bytes_max = draw<std::size_t>(random, {0, 1000, 10'000, 16 << 20});
    unapplied_bytes_max = draw<std::size_t>(random, {2000, 100'000, 64 << 20});
    duration = election_timeout * draw<int>(random, {40, 60, 80, 160});

    drift_max = draw<double>(random, {0, 0, 0.1, 0.3, 0.3});
    disk_least = microseconds(50);
    disk_most = draw<Duration>(random, {microseconds(100), milliseconds(1), milliseconds(20)});
    slow_disk = draw<double>(random, {0, 0, 0.001, 0.02});
    notice_most = draw<Duration>(random, {microseconds(0), microseconds(200), milliseconds(30)});
    apply_most = draw<Duration>(random, {microseconds(0), microseconds(200), milliseconds(20)});
    batching = draw<double>(random, {0, 0, 0.2, 0.7});
    eager_ticks = random.chance(0.3);
    flush_every = draw<std::uint64_t>(random, {5, 30, 200, 1'000'000});
    keep_entries = draw<std::uint64_t>(random, {0, 3, 50, 500});

    delay_least = microseconds(50);
    delay_most = draw<Duration>(random, {microseconds(200), milliseconds(2), milliseconds(20)});
    in_order = random.chance(0.5);
    loss = draw<double>(random, {0, 0, 0.01, 0.05, 0.3});
    duplication = draw<double>(random, {0, 0, 0.05, 0.5});
    straggler = draw<double>(random, {0, 0, 0.001, 0.02});
    forged = draw<double>(random, {0, 0, 0, 0.02, 0.2});

    fault_interval = election_timeout * draw<int>(random, {1, 2, 4, 8});
    crashes = random.chance(0.7);
    crashes_in_output = crashes && random.chance(0.5);
    partitions = random.chance(0.7);
    pauses = random.chance(0.5);
    true_gone = random.chance(0.6);
    false_gone = random.chance(0.4);
    transfers = random.chance(0.4);
    // The fault atlas: a damaged node does not vote until it is repaired, so the others must be a
    // majority meanwhile, whatever the configuration becomes.
    damage = crashes && voters >= 3 && random.chance(0.25);
    older_disks = !damage && voters == 3 && random.chance(0.3);
    lost_disks = crashes && !damage && !older_disks && voters >= 3 && random.chance(0.3);
    clones = !damage && !lost_disks && !older_disks && voters == 3 && random.chance(0.3);
    // No node may need the altered entry from the one that has it.
    altered_entry = crashes && !damage && !older_disks && !lost_disks && !clones && voters >= 3 &&
                    random.chance(0.3);
    memberships =
        !altered_entry && !damage && !lost_disks && !older_disks && !clones && random.chance(0.5);
    mixed_timeouts = !clones && random.chance(0.25);
    half_open = random.chance(0.3);
    partitions = partitions || mixed_timeouts;
    unreadable_log = random.chance(0.2);

    write_interval = election_timeout / draw<int>(random, {2, 10, 50, 200});
    batch_most = draw<std::uint64_t>(random, {1, 1, 5, 40});
    payload_bytes_most = draw<std::uint64_t>(random, {8, 100, 3000});
    read_interval = election_timeout / draw<int>(random, {5, 30, 100});
}

std::string CoreOptions::describe() const {
    std::ostringstream text;
    text << "voters=" << voters << " standbys=" << standbys << " spares=" << spares
         << " newcomers=" << newcomers << " election_timeout=" << ms(election_timeout)
         << " heartbeat=" << ms(heartbeat) << " append_bytes_max=" << append_bytes_max
         << " window_bytes_max=" << window_bytes_max << " cache_bytes_max=" << cache_bytes_max
         << " unapplied_bytes_max=" << unapplied_bytes_max << " duration=" << ms(duration)
         << "\n  drift_max=" << drift_max << " disk_most=" << ms(disk_most)
         << " slow_disk=" << slow_disk << " notice_most=" << ms(notice_most)
         << " apply_most=" << ms(apply_most) << " batching=" << batching
         << " eager_ticks=" << eager_ticks << " flush_every=" << flush_every
         << " keep_entries=" << keep_entries << "\n  delay_most=" << ms(delay_most)
         << " in_order=" << in_order << " loss=" << loss << " duplication=" << duplication
         << " straggler=" << straggler << " forged=" << forged
         << " fault_interval=" << ms(fault_interval) << " crashes=" << crashes
         << " crashes_in_output=" << crashes_in_output << " partitions=" << partitions
         << " pauses=" << pauses << " true_gone=" << true_gone << " false_gone=" << false_gone
         << " memberships=" << memberships << " transfers=" << transfers << " damage=" << damage
         << " lost_disks=" << lost_disks << " older_disks=" << older_disks
         << " altered_entry=" << altered_entry << " clones=" << clones << " half_open=" << half_open
         << " mixed_timeouts=" << mixed_timeouts << " unreadable_log=" << unreadable_log
         << "\n  write_interval=" << ms(write_interval) << " batch_most=" << batch_most
         << " payload_bytes_most=" << payload_bytes_most << " read_interval=" << ms(read_interval);
    return text.str();
}

}  // namespace quorlite::sim
