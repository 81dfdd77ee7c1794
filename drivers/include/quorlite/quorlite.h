// Everything of the blocking client. See the single headers, and drivers/README.md for a guide.
//
// What, errors, exception safety, lifetimes, thread safety: as said in each of the headers.
#pragma once

#include "quorlite/cluster.h"
#include "quorlite/connection.h"
#include "quorlite/error.h"
#include "quorlite/node_store.h"
#include "quorlite/options.h"
#include "quorlite/pool.h"
#include "quorlite/rows.h"
#include "quorlite/stop_signal.h"
#include "quorlite/value.h"
