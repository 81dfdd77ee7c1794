#include "engine/raft/types.h"

#include <algorithm>

#include "engine/base/limits.h"

namespace quorlite::raft {
namespace {

// version u8, count u32, then per server: id u64, role u8, address length u16, address.
constexpr std::uint8_t kConfigurationVersion = 1;

auto lower_bound_of(const std::vector<Server>& servers, NodeId id) {
    return std::lower_bound(servers.begin(), servers.end(), id,
                            [](const Server& server, NodeId sought) { return server.id < sought; });
}

bool addresses_unique(const std::vector<Server>& servers) {
    std::vector<std::string_view> addresses;
    addresses.reserve(servers.size());
    for (const Server& server : servers) addresses.push_back(server.address);
    std::sort(addresses.begin(), addresses.end());
    return std::adjacent_find(addresses.begin(), addresses.end()) == addresses.end();
}

}  // namespace

const Server* Configuration::find(NodeId id) const {
    const auto found = lower_bound_of(servers, id);
    return found != servers.end() && found->id == id ? &*found : nullptr;
}

bool Configuration::is_voter(NodeId id) const {
    const Server* server = find(id);
    return server != nullptr && server->role == Role::kVoter;
}

std::size_t Configuration::voter_count() const {
    return static_cast<std::size_t>(
        std::count_if(servers.begin(), servers.end(),
                      [](const Server& server) { return server.role == Role::kVoter; }));
}

bool is_one_change(const Configuration& before, const Configuration& after) {
    std::size_t changed = 0;
    for (const Server& server : after.servers) {
        const Server* known = before.find(server.id);
        if (known == nullptr || *known != server) ++changed;
    }
    for (const Server& server : before.servers) {
        if (after.find(server.id) == nullptr) ++changed;
    }
    return changed <= 1;
}

Bytes encode(const Configuration& configuration) {
    Bytes bytes;
    ByteWriter writer(bytes);
    writer.u8(kConfigurationVersion);
    writer.u32(static_cast<std::uint32_t>(configuration.servers.size()));
    for (const Server& server : configuration.servers) {
        writer.u64(server.id.value());
        writer.u8(static_cast<std::uint8_t>(server.role));
        writer.u16(static_cast<std::uint16_t>(server.address.size()));
        writer.bytes(as_bytes(server.address));
    }
    return bytes;
}

std::optional<Configuration> decode_configuration(ByteView bytes) {
    ByteReader reader(bytes);
    if (reader.u8() != kConfigurationVersion) return std::nullopt;
    const std::uint32_t count = reader.u32();
    if (reader.failed() || count > limits::kServersMax) return std::nullopt;
    Configuration configuration;
    for (std::uint32_t i = 0; i < count; ++i) {
        const NodeId id(reader.u64());
        const std::uint8_t role = reader.u8();
        const std::uint16_t length = reader.u16();
        const ByteView address = reader.take(length);
        if (reader.failed() || !id || length > limits::kForeignAddressBytesMax) return std::nullopt;
        if (role > static_cast<std::uint8_t>(Role::kSpare)) return std::nullopt;
        if (!configuration.servers.empty() && configuration.servers.back().id >= id) {
            return std::nullopt;
        }
        configuration.servers.push_back(
            {id, std::string(as_text(address)), static_cast<Role>(role)});
    }
    if (reader.remaining() != 0 || !addresses_unique(configuration.servers)) return std::nullopt;
    return configuration;
}

}  // namespace quorlite::raft
