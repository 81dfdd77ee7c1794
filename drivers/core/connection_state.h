// What the parts of a connection share: see connection.h.
#pragma once

#include <memory>
#include <random>
#include <string>

#include "drivers/core/connector.h"
#include "drivers/core/directory.h"
#include "drivers/core/operation_queue.h"
#include "drivers/core/pipeline.h"
#include "drivers/core/statements.h"
#include "drivers/core/transaction.h"
#include "quorlite/options.h"

namespace quorlite::core {

struct Target {
    std::string node;      // HOST:PORT; empty means: whichever leads
    std::string database;  // empty: none is opened
};

struct ConnectionState {
    ConnectionState(Target wanted, const options& chosen, std::shared_ptr<Directory> known,
                    std::uint64_t seed)
        : target(std::move(wanted)),
          settings(chosen),
          directory(std::move(known)),
          generator(seed),
          connector(target.node, settings, *directory, generator),
          statements(settings.statements_cached) {}

    // Of the node in use, or of the one that is dialled by its address; empty if there is none.
    std::string address() const {
        return pipeline.attached() ? pipeline.address() : connector.address();
    }

    const Target target;
    const options settings;
    const std::shared_ptr<Directory> directory;
    std::mt19937_64 generator;

    Connector connector;
    Pipeline pipeline;
    Statements statements;  // prepared on the pipeline's channel
    OperationQueue queue;
    Transaction transaction;
    bool nodes_changed = false;
};

}  // namespace quorlite::core
