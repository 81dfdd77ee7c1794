#include "tests/raft/script.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "tests/raft/world.h"

namespace quorlite::raft {
namespace {

constexpr std::string_view kIndent = "    ";
constexpr std::string_view kFault = "# fault: ";

// The words of one command, taken from left to right.
class Words {
public:
    explicit Words(const std::string& line) {
        std::istringstream stream(line);
        for (std::string word; stream >> word;) words_.push_back(word);
    }

    bool more() const { return next_ < words_.size(); }

    std::string word() {
        if (!more()) throw std::invalid_argument("a word is missing");
        return words_[next_++];
    }

    bool take(std::string_view wanted) {
        const bool there = more() && words_[next_] == wanted;
        if (there) ++next_;
        return there;
    }

    std::uint64_t number() { return to_number(word()); }

    // "5/2": an index and a term.
    LogEnd place() {
        const auto [index, term] = two(word(), '/');
        return {Term(term), Index(index)};
    }

    // "1>2"
    std::pair<std::uint64_t, std::uint64_t> link() { return two(word(), '>'); }

    Duration milliseconds() {
        const std::string text = word();
        if (!text.ends_with("ms")) throw std::invalid_argument("a time is written as 100ms");
        return std::chrono::milliseconds(to_number(text.substr(0, text.size() - 2)));
    }

    // All that follow.
    std::vector<std::uint64_t> numbers() {
        std::vector<std::uint64_t> numbers;
        while (more()) numbers.push_back(number());
        return numbers;
    }

private:
    static std::uint64_t to_number(const std::string& text) {
        std::size_t end = 0;
        const bool digit = !text.empty() && text[0] >= '0' && text[0] <= '9';
        const std::uint64_t number = digit ? std::stoull(text, &end) : 0;
        if (end == 0 || end != text.size()) throw std::invalid_argument("no number: " + text);
        return number;
    }
    static std::pair<std::uint64_t, std::uint64_t> two(const std::string& text, char between) {
        const std::size_t middle = text.find(between);
        if (middle == std::string::npos) throw std::invalid_argument("two numbers: " + text);
        return {to_number(text.substr(0, middle)), to_number(text.substr(middle + 1))};
    }

    std::vector<std::string> words_;
    std::size_t next_ = 0;
};

Role role_named(const std::string& name) {
    static const std::map<std::string, Role> kRoles{
        {"voter", Role::kVoter}, {"standby", Role::kStandby}, {"spare", Role::kSpare}};
    return kRoles.at(name);
}

Status status_of(const Result<Index>& result) {
    return result.ok() ? Status() : Status(result.error());
}

class Player {
public:
    void play(const std::string& line);
    const std::vector<std::string>& trace() const { return trace_; }
    bool broken() const { return world_.broken(); }

private:
    using Handler = std::function<void(Player&, Words&)>;
    using Handlers = std::map<std::string, Handler>;
    static const Handlers& handlers();
    static Handlers on_nodes();
    static Handlers on_links();
    static Handlers on_members();

    void create(Words& words);
    void begin_with(Words& words);
    void campaign(Words& words);
    void tick(Words& words);
    void propose(Words& words);
    void forge(Words& words);
    void wait(Words& words) { world_.wait(words.milliseconds()); }
    void ask(Words& words, Status (*act)(Core&, TimePoint, Words&));
    void over_links(Words& words, void (World::*act)(std::uint64_t, std::uint64_t));

    World world_;
    std::set<std::uint64_t> ids_;
    std::string roles_;
    std::size_t cache_bytes_max_ = 16u << 20;
    std::vector<std::string> trace_;  // of the last command
};

// Commands whose words are one node.
Player::Handlers Player::on_nodes() {
    using Act = void (World::*)(std::uint64_t);
    static const std::map<std::string, Act> kActs{
        {"crash", &World::crash},
        {"restart", &World::restart},
        {"write", &World::write},
        {"compact", &World::compact},
        {"install", &World::install},
        {"install-and-crash", &World::install_and_crash},
        {"install-again", &World::install_again},
        {"refuse", &World::refuse},
        {"read", &World::read},
        {"lease", &World::lease},
        {"slow-disk", &World::slow_disk},
    };
    Handlers handlers;
    for (const auto& [name, act] : kActs) {
        handlers[name] = [act](Player& player, Words& words) {
            (player.world_.*act)(words.number());
        };
    }
    return handlers;
}

// Commands whose words are links.
Player::Handlers Player::on_links() {
    using Act = void (World::*)(std::uint64_t, std::uint64_t);
    static const std::map<std::string, Act> kActs{
        {"deliver", &World::deliver_link},
        {"drop", &World::drop},
        {"repeat", &World::repeat},
        {"cut", &World::cut},
        {"hold", &World::hold},
        {"let-go", &World::let_go},
        {"offer", &World::offer},
        {"load", &World::load},
        {"fail-to-load", &World::fail_to_load},
    };
    Handlers handlers;
    for (const auto& [name, act] : kActs) {
        handlers[name] = [act](Player& player, Words& words) { player.over_links(words, act); };
    }
    return handlers;
}

// What is asked of one node, about another.
Player::Handlers Player::on_members() {
    using Act = Status (*)(Core&, TimePoint, Words&);
    static const std::map<std::string, Act> kActs{
        {"add",
         [](Core& core, TimePoint now, Words& words) {
             const std::uint64_t id = words.number();
             return status_of(core.add(now, NodeId(id), "h:" + std::to_string(id)));
         }},
        {"remove",
         [](Core& core, TimePoint now, Words& words) {
             return status_of(core.remove(now, NodeId(words.number())));
         }},
        {"assign",
         [](Core& core, TimePoint now, Words& words) {
             const NodeId id(words.number());
             return status_of(core.assign(now, id, role_named(words.word())));
         }},
        {"transfer", [](Core& core, TimePoint now,
                        Words& words) { return core.transfer(now, NodeId(words.number())); }},
        {"gone",
         [](Core& core, TimePoint now, Words& words) {
             core.peer_gone(now, NodeId(words.number()));
             return Status();
         }},
    };
    Handlers handlers;
    for (const auto& [name, act] : kActs) {
        handlers[name] = [act](Player& player, Words& words) { player.ask(words, act); };
    }
    return handlers;
}

const Player::Handlers& Player::handlers() {
    static const Handlers kHandlers = [] {
        Handlers all{
            {"nodes", &Player::create},
            {"node", &Player::begin_with},
            {"campaign", &Player::campaign},
            {"tick", &Player::tick},
            {"propose", &Player::propose},
            {"forge", &Player::forge},
            {"wait", &Player::wait},
            {"heal", [](Player& player, Words&) { player.world_.heal(); }},
        };
        all.merge(on_nodes());
        all.merge(on_links());
        all.merge(on_members());
        return all;
    }();
    return kHandlers;
}

void Player::play(const std::string& line) {
    Words words(line);
    const bool quietly = words.take("quietly");
    const auto handler = handlers().find(words.word());
    if (handler == handlers().end()) throw std::invalid_argument("no such command");
    handler->second(*this, words);
    if (words.more()) throw std::invalid_argument("too many words: " + words.word());
    trace_ = world_.take_trace();
    if (quietly) std::erase_if(trace_, [](const auto& told) { return !told.starts_with(kBroken); });
}

// nodes ROLES [small-cache]
void Player::create(Words& words) {
    roles_ = words.word();
    if (words.take("small-cache")) cache_bytes_max_ = 0;
    for (std::uint64_t id = 1; id <= roles_.size(); ++id) {
        ids_.insert(id);
        world_.create(id, restored_of(0, {}, roles_), cache_bytes_max_);
    }
}

// node ID: one that knows nothing. node ID term TERM log TERMS...: one with a past.
void Player::begin_with(Words& words) {
    const std::uint64_t id = words.number();
    ids_.insert(id);
    if (!words.take("term")) return world_.create(id, Restored{}, cache_bytes_max_);
    const std::uint64_t term = words.number();
    if (!words.take("log")) throw std::invalid_argument("node ID term TERM log TERMS");
    world_.create(id, restored_of(term, log_of(words.numbers()), roles_), cache_bytes_max_);
}

// Only its time passes, and all that others owe to a leader is over.
void Player::campaign(Words& words) {
    world_.wait(kElectionTimeout * 2);
    world_.tick(words.number());
}

void Player::tick(Words& words) {
    std::vector<std::uint64_t> ids = words.numbers();
    if (ids.empty()) ids.assign(ids_.begin(), ids_.end());
    for (const std::uint64_t id : ids) world_.tick(id);
}

void Player::propose(Words& words) {
    const std::uint64_t id = words.number();
    std::vector<SharedBytes> texts;
    while (words.more()) texts.push_back(payload(words.word()));
    const Result<Index> proposed = world_.core(id).propose(world_.now(), std::move(texts));
    if (!proposed.ok()) world_.say(id, "refuses: " + proposed.error().message);
    world_.carry_out(id);
}

// forge FROM>TO snapshot INDEX/TERM term TERM
void Player::forge(Words& words) {
    const auto [from, to] = words.link();
    if (!words.take("snapshot")) throw std::invalid_argument("forge FROM>TO snapshot ...");
    const LogEnd point = words.place();
    if (!words.take("term")) throw std::invalid_argument("the term is missing");
    world_.forge({NodeId(from), NodeId(to),
                  SnapshotRequest{.term = Term(words.number()),
                                  .point = {point.index, point.term, members(roles_)},
                                  .round = 1,
                                  .manifest = payload("manifest"),
                                  .last_index = point.index,
                                  .to_voter = true}});
}

void Player::ask(Words& words, Status (*act)(Core&, TimePoint, Words&)) {
    const std::uint64_t id = words.number();
    const Status answer = act(world_.core(id), world_.now(), words);
    if (!answer.ok()) world_.say(id, "refuses: " + answer.error().message);
    world_.carry_out(id);
}

// Links "1>2", or all those of one node: "1". `deliver` without any: until all is quiet.
void Player::over_links(Words& words, void (World::*act)(std::uint64_t, std::uint64_t)) {
    if (!words.more() && act == &World::deliver_link) return world_.deliver();
    while (words.more()) {
        const std::string word = words.word();
        if (word.find('>') != std::string::npos) {
            const auto [from, to] = Words(word).link();
            (world_.*act)(from, to);
            continue;
        }
        const std::uint64_t id = Words(word).number();
        for (const std::uint64_t other : ids_) {
            if (other == id) continue;
            (world_.*act)(id, other);
            (world_.*act)(other, id);
        }
    }
}

}  // namespace

Played play(std::string_view script) {
    Played played;
    Player player;
    std::istringstream lines{std::string(script)};
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(kIndent)) continue;
        played.text += line + "\n";
        if (line.empty() || line.starts_with('#')) continue;
        try {
            player.play(line);
        } catch (const std::exception& error) {
            played.error = line + ": " + error.what();
            return played;
        }
        for (const std::string& told : player.trace()) {
            played.text += std::string(kIndent) + told + "\n";
        }
    }
    played.broken = player.broken();
    return played;
}

std::vector<std::string> faults_named_in(std::string_view script) {
    std::vector<std::string> faults;
    std::istringstream lines{std::string(script)};
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(kFault)) faults.push_back(line.substr(kFault.size()));
    }
    return faults;
}

std::vector<std::filesystem::path> scripts_in(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> scripts;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        if (file.path().extension() == ".txt") scripts.push_back(file.path());
    }
    std::sort(scripts.begin(), scripts.end());
    return scripts;
}

}  // namespace quorlite::raft
