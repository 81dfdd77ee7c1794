// The scripted world as the transports of both front ends.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>

#include "drivers/asio/transport.h"
#include "drivers/sync/transport.h"
#include "tests/drivers/script/world.h"

namespace quorlite::testing {

std::unique_ptr<sync::Transport> make_scripted(World& world);

// The alarms of the asynchronous front end.
class Alarms {
public:
    void set(const void* owner, Time at, std::function<void()> ring);

    // Runs the context until `done`, moving the clock on whenever nothing else happens. False if
    // nothing will ever happen.
    bool run(asio::io_context& context, World& world, const std::function<bool()>& done);
    // Until nothing is left to be done now.
    static void settle(asio::io_context& context);

private:
    struct Alarm {
        Time at;
        std::function<void()> ring;
    };
    std::map<const void*, Alarm> alarms_;
};

std::shared_ptr<async::AsyncTransport> make_scripted(World& world, Alarms& alarms,
                                                     const asio::any_io_executor& strand);

}  // namespace quorlite::testing
