// One node of Debian's dqlite, as a program: the system that Quorlite is measured against.
//
//     dqlite_node --id N --address HOST:PORT --dir DIR
//
// The node with id 1 starts a cluster of itself; the others wait until they are added through the
// wire protocol. It runs until SIGTERM or SIGINT and then stops cleanly.
//
// libdqlite leaves Nagle's algorithm on, which costs it up to two thirds of its writes per second.
// A comparison against a handicapped opponent says nothing, so this program stands in front of the
// three calls through which libuv and libdqlite get a connected socket and sets TCP_NODELAY there.
// Not _GNU_SOURCE: with it the socket calls take unions that no definition can match.
#define _DEFAULT_SOURCE

#include <dqlite.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void send_at_once(int fd) {
    const int saved_errno = errno;
    const int on = 1;
    // Fails on Unix sockets, which libdqlite uses inside the process and which need no help.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    errno = saved_errno;
}

// Not declared by <sys/socket.h> for this program, but called by libuv.
int accept4(int fd, struct sockaddr* restrict address, socklen_t* restrict length, int flags);
int accept4(int fd, struct sockaddr* restrict address, socklen_t* restrict length, int flags) {
    const int accepted = (int)syscall(SYS_accept4, fd, address, length, flags);
    if (accepted >= 0) send_at_once(accepted);
    return accepted;
}

int accept(int fd, struct sockaddr* restrict address, socklen_t* restrict length) {
    return accept4(fd, address, length, 0);
}

int connect(int fd, const struct sockaddr* address, socklen_t length) {
    send_at_once(fd);
    return (int)syscall(SYS_connect, fd, address, length);
}

struct options {
    dqlite_node_id id;
    const char* address;
    const char* dir;
};

static int usage(void) {
    (void)fprintf(stderr, "usage: dqlite_node --id N --address HOST:PORT --dir DIR\n");
    return 2;
}

static int parse(int count, char** arguments, struct options* options) {
    for (int i = 1; i + 1 < count; i += 2) {
        if (strcmp(arguments[i], "--id") == 0) {
            options->id = strtoull(arguments[i + 1], NULL, 10);
        } else if (strcmp(arguments[i], "--address") == 0) {
            options->address = arguments[i + 1];
        } else if (strcmp(arguments[i], "--dir") == 0) {
            options->dir = arguments[i + 1];
        } else {
            return -1;
        }
    }
    return count % 2 == 1 && options->id != 0 && options->address && options->dir ? 0 : -1;
}

static int fail(const char* what, const char* why) {
    (void)fprintf(stderr, "dqlite_node: %s: %s\n", what, why);
    return 1;
}

int main(int count, char** arguments) {
    struct options options = {0};
    if (parse(count, arguments, &options) != 0) return usage();
    if (mkdir(options.dir, 0755) != 0 && errno != EEXIST) {
        return fail(options.dir, strerror(errno));
    }

    // Blocked before libdqlite starts its threads, so that only sigwait() below receives them.
    sigset_t stop_signals;
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    sigaddset(&stop_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);

    dqlite_node* node = NULL;
    if (dqlite_node_create(options.id, options.address, options.dir, &node) != 0) {
        return fail("create", node ? dqlite_node_errmsg(node) : "out of memory");
    }
    if (dqlite_node_set_bind_address(node, options.address) != 0) {
        return fail("bind", dqlite_node_errmsg(node));
    }
    if (dqlite_node_start(node) != 0) return fail("start", dqlite_node_errmsg(node));

    int received = 0;
    (void)sigwait(&stop_signals, &received);
    if (dqlite_node_stop(node) != 0) return fail("stop", dqlite_node_errmsg(node));
    dqlite_node_destroy(node);
    return 0;
}
