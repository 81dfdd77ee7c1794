// Cluster: a few whole nodes, without their server, for the tests of sessions.
//
// Real replicas on simulated disks, with one executor, one clock and a network that delivers each
// frame as a task of its own, unless its sender or receiver is isolated. The first node founds the
// cluster and leads it; the others exist as files and addresses, and join() makes them members.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/replica/replica.h"
#include "tests/base/test_executor.h"
#include "tests/sim/disk.h"

namespace quorlite::test {

class Cluster {
public:
    using Configure = std::function<void(replica::Options&)>;
    explicit Cluster(std::size_t size = 1, Configure configure = {})
        : configure_(std::move(configure)) {
        for (std::size_t i = 1; i <= size; ++i) nodes_.push_back(std::make_unique<Node>(*this, i));
        for (auto& node : nodes_) node->start();
        EXPECT_TRUE(executor.run_until([&] { return replica(1).check_leader().ok(); }));
    }

    ~Cluster() {
        for (auto& node : nodes_) node->replica->stop();
        executor.run();
    }

    TestExecutor executor;
    // Sees what nodes say to each other. Who looks on may also send what no node would say: then
    // nodes may refuse each other.
    std::function<void(NodeId from, NodeId to, const Bytes& frame)> on_frame;

    std::function<void(NodeId node, const Event& event)> on_event;

    replica::Replica& replica(std::size_t id = 1) { return *nodes_.at(id - 1)->replica; }
    static std::string address(std::size_t id) {
        return std::string("127.0.0.1:") + std::to_string(9000 + id);
    }

    // Adds node `id` with that role, and waits until it is a member.
    void join(std::size_t id, raft::Role role = raft::Role::kVoter) {
        change([&](auto done) { replica().add(NodeId(id), address(id), done); });
        if (role == raft::Role::kSpare) return;
        change([&](auto done) { replica().assign(NodeId(id), role, done); });
        executor.advance(std::chrono::seconds(1));
    }

    // The process ends and comes again, on what its disk has. What it had sent arrives.
    void restart(std::size_t id) {
        Node& node = *nodes_.at(id - 1);
        node.replica->stop();
        executor.run();
        node.replica.reset();
        node.start();
    }

    void isolate(std::size_t id) { isolated_.insert(NodeId(id)); }
    void heal() { isolated_.clear(); }

    sim::SimDisk& disk(std::size_t id = 1) { return nodes_.at(id - 1)->disk; }
    // From now on every job that node `id` does in the background takes so long.
    void slow_down(std::size_t id, Duration delay) { nodes_.at(id - 1)->executor.delay = delay; }

    // Makes node 1 lose its leadership and notice, and end what its sessions had.
    void depose() {
        const std::uint64_t before = replica().leadership_epoch();
        isolate(1);
        EXPECT_TRUE(executor.run_until([&] { return replica().leadership_epoch() != before; }));
    }

    // Makes node 1 the leader again.
    void restore() {
        heal();
        for (int attempt = 0; attempt < 20 && !replica().check_leader().ok(); ++attempt) {
            executor.advance(std::chrono::seconds(2));
            for (auto& node : nodes_) {
                if (node->replica->check_leader().ok())
                    node->replica->transfer(NodeId(1), [](Status) {});
            }
            executor.advance(std::chrono::seconds(1));
        }
        EXPECT_TRUE(replica().check_leader().ok());
    }

private:
    class Draws final : public Random {
    public:
        explicit Draws(std::uint64_t seed) : engine_(seed) {}
        std::uint64_t next() override { return engine_(); }

    private:
        std::mt19937_64 engine_;
    };

    class Wire final : public Network {
    public:
        Wire(Cluster& cluster, NodeId self) : cluster_(cluster), self_(self) {}
        void send(NodeId to, const std::string&, Channel, Bytes frame) override {
            cluster_.executor.post([this, to, frame = std::move(frame)] {
                const bool cut =
                    cluster_.isolated_.contains(self_) || cluster_.isolated_.contains(to);
                if (cut || to.value() > cluster_.nodes_.size()) return;
                if (cluster_.on_frame) cluster_.on_frame(self_, to, frame);
                const bool taken = cluster_.replica(to.value()).receive(self_, frame);
                EXPECT_TRUE(taken || cluster_.on_frame);
            });
        }
        void forget(NodeId) override {}

    private:
        Cluster& cluster_;
        NodeId self_;
    };

    // The cluster's executor, with background jobs that may take long.
    class Background final : public Executor {
    public:
        explicit Background(TestExecutor& executor) : executor_(executor) {}
        Duration delay{};

        void post(Task task) override { executor_.post(std::move(task)); }
        TimerId after(Duration time, Task task) override {
            return executor_.after(time, std::move(task));
        }
        void cancel(TimerId timer) override { executor_.cancel(timer); }
        void background(Task work, Task done) override {
            if (delay == Duration{}) return executor_.background(std::move(work), std::move(done));
            executor_.after(delay, [this, work = std::move(work), done = std::move(done)] {
                executor_.background(work, done);
            });
        }
        void step(Task work, Task done) override {
            executor_.step(std::move(work), std::move(done));
        }
        bool may_yield() override { return executor_.may_yield(); }

    private:
        TestExecutor& executor_;
    };

    class Watched final : public Events {
    public:
        Watched(Cluster& cluster, NodeId self) : cluster_(cluster), self_(self) {}
        void record(const Event& event) override {
            if (cluster_.on_event) cluster_.on_event(self_, event);
        }

    private:
        Cluster& cluster_;
        NodeId self_;
    };

    struct Node {
        Node(Cluster& its_cluster, std::size_t its_id)
            : cluster(its_cluster),
              id(its_id),
              random(its_id),
              executor(its_cluster.executor),
              disk(its_id),
              network(its_cluster, NodeId(its_id)),
              events(its_cluster, NodeId(its_id)) {}

        void start() {
            disk.attach(cluster.executor);
            replica::Options options;
            options.id = NodeId(id);
            options.address = address(id);
            options.bootstrap = id == 1;
            options.log.segment_bytes = 1u << 20;
            if (cluster.configure_) cluster.configure_(options);
            auto opened = replica::Replica::open(
                options, {cluster.executor, random, disk, network, executor, events});
            ASSERT_TRUE(opened.ok()) << opened.error().message;
            replica = std::move(*opened);
        }

        Cluster& cluster;
        std::size_t id;
        Draws random;
        Background executor;
        sim::SimDisk disk;
        Wire network;
        Watched events;
        std::unique_ptr<replica::Replica> replica;
    };

    template <class Change>
    void change(Change begin) {
        bool done = false;
        begin([&](Status status) {
            EXPECT_TRUE(status.ok()) << status.error().message;
            done = true;
        });
        EXPECT_TRUE(executor.run_until([&] { return done; }));
    }

    const Configure configure_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::set<NodeId> isolated_;
};

}  // namespace quorlite::test
