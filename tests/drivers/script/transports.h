// The scripted world as the transports of both front ends.
#pragma once

#include <asio/io_context.hpp>
#include <memory>

#include "drivers/asio/transport.h"
#include "drivers/sync/transport.h"
#include "tests/drivers/script/world.h"

namespace quorlite::testing {

std::unique_ptr<sync::Transport> make_scripted(World& world);

// What the asynchronous front end waits for: the alarm that rings next.
class Alarms {
public:
    Time at = core::kNever;
    std::function<void()> ring;

    // Runs the context until `done`, moving the clock on whenever nothing else happens. False if
    // nothing will ever happen.
    bool run(asio::io_context& context, World& world, const std::function<bool()>& done);
};

std::shared_ptr<async::AsyncTransport> make_scripted(World& world, Alarms& alarms,
                                                     const asio::any_io_executor& strand);

}  // namespace quorlite::testing
