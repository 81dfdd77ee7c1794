// The blocking front end's sockets, where an operating system answers at once.
#include <gtest/gtest.h>

#include <chrono>

#include "quorlite/quorlite.h"

namespace quorlite {
namespace {

using std::chrono::milliseconds;

// An abstract Unix socket that nobody listens on is refused within connect(): nothing is left to
// wait for, and the deadline must hold nevertheless.
TEST(Sockets, DiallingThatFailsAtOnceDoesNotWait) {
    options impatient;
    impatient.timeout = milliseconds(300);
    cluster nobody({"@no-such-node-of-quorlite"}, impatient);
    const result<connection> none = nobody.try_connect("db");
    ASSERT_FALSE(none.ok());
    EXPECT_EQ(none.error().kind, error_kind::unavailable);
    EXPECT_EQ(none.error().verdict, verdict::not_committed);
}

}  // namespace
}  // namespace quorlite
